"""The breaker as the pace's users meet it: nothing goes to a destination that is down, but a probe."""

from __future__ import annotations

import pytest

from support.pace import FOREVER, ask, busy, failed, once, opened, proven, well
from vaulytica.delivery.breaker import State
from vaulytica.delivery.pace import Pace


def test_five_failures_in_a_row_open_the_breaker_and_those_under_way_change_nothing() -> None:
    pace = proven()
    for _ in range(8):
        ask(pace, 0.0)
    states = []
    for _ in range(8):
        pace.heed(0.1, failed())
        states.append(pace.state)

    assert states == [State.CLOSED] * 4 + [State.OPEN] * 4
    assert ask(pace, 0.1) == pytest.approx(1)


def test_a_delivery_between_failures_keeps_the_breaker_closed() -> None:
    pace = proven()
    for now in range(50):
        once(pace, float(now), well() if now % 5 == 4 else failed())

    assert pace.state is State.CLOSED


def test_after_the_cool_down_one_probe_goes_and_the_others_wait_for_it() -> None:
    pace = opened()

    assert ask(pace, 1.0) == 0
    assert pace.state is State.HALF_OPEN
    assert [ask(pace, 1.0), ask(pace, 5.0)] == [FOREVER, FOREVER]


def test_a_probe_that_fails_doubles_the_cool_down_up_to_a_bound() -> None:
    pace, now, waits = opened(max_cool_down=5), 0.0, []
    for _ in range(5):
        waits.append(ask(pace, now))
        now += waits[-1]
        assert once(pace, now, failed()), "the destination is down: this costs the batch nothing"
        now += 0.1

    assert waits == pytest.approx([1, 2, 4, 5, 5])


def test_a_probe_that_is_told_busy_has_not_found_the_destination_well() -> None:
    pace = opened()
    once(pace, 1.0, busy())

    assert pace.state is State.OPEN


def test_a_probe_that_goes_well_lets_one_more_go_for_each_answer_up_to_half_of_before() -> None:
    pace = opened()
    once(pace, 1.0, well())
    limits = [pace.limit]
    for now in range(2, 7):
        once(pace, float(now), well())
        limits.append(pace.limit)

    assert pace.state is State.CLOSED
    assert limits == pytest.approx([1, 2, 3, 4, 4.25, 4.485], abs=0.01)


def test_a_probe_that_was_stopped_makes_room_for_another() -> None:
    pace = opened()
    ask(pace, 1.0)
    pace.leave()

    assert ask(pace, 1.0) == 0


def test_a_late_failure_of_the_outage_opens_no_closed_breaker() -> None:
    pace = proven(concurrency=16)
    for _ in range(15):
        ask(pace, -0.1)
    for _ in range(5):
        pace.heed(0.0, failed())
    once(pace, 1.0, well())
    for _ in range(10):
        assert pace.heed(30.0, failed(30.1)), "it began before the outage was noticed"

    assert pace.state is State.CLOSED


def test_an_impatient_caller_goes_through_an_open_breaker_and_its_delivery_closes_it() -> None:
    pace = opened()

    assert ask(pace, 0.5, patient=False) == 0
    assert pace.heed(0.6, failed()), "the destination is down"
    assert pace.state is State.OPEN
    assert ask(pace, 0.6) == pytest.approx(0.4), "its failure makes the cool-down no longer"
    ask(pace, 0.7, patient=False)
    pace.heed(0.8, well())
    assert pace.state is State.CLOSED


# --- What was tried before, apart.


def failing_again(pace: Pace, now: float) -> None:
    for _ in range(5):
        once(pace, now, failed(), again=True)


def test_what_fails_again_and_again_keeps_back_only_its_like() -> None:
    pace = proven(apart=True)
    failing_again(pace, 0.0)

    assert ask(pace, 0.2, again=True) == pytest.approx(0.9)
    assert once(pace, 0.2, well()) is False
    assert pace.state is State.CLOSED
    assert ask(pace, 0.3, again=True) == 0, "it is well: what is tried again may be at fault itself"


def test_what_is_tried_again_is_probed_as_ever_and_so_it_is_seen_that_it_is_down() -> None:
    pace = proven(apart=True)
    failing_again(pace, 0.0)
    assert pace.state is State.CLOSED, "nobody knows yet"

    assert ask(pace, 1.2, again=True) == 0
    assert pace.state is State.HALF_OPEN
    assert ask(pace, 1.2, again=True) == FOREVER, "one probe"
    assert pace.heed(1.3, failed(again=True)), "it is excused"
    assert pace.state is State.OPEN
    assert ask(pace, 1.3, again=True) == pytest.approx(2)
    assert (pace.limit, pace.limit_again) == (8, 1)
    assert once(pace, 1.4, well()) is False, "what is new goes on"
    assert (pace.state, pace.limit) == (State.CLOSED, 8)


def test_what_was_held_back_begins_with_one_and_what_was_not_is_as_fast_as_ever() -> None:
    pace = proven(apart=True)
    failing_again(pace, 0.0)
    once(pace, 0.2, well())
    assert (pace.limit, pace.limit_again) == (8, 1)
    limits = []
    for now in range(1, 10):
        once(pace, float(now), well(again=True), again=True)
        limits.append(pace.limit_again)
    assert limits == [2, 3, 4, 5, 6, 7, 8, 8, 8]


def test_asking_alone_is_no_probe() -> None:
    pace = proven(apart=True)
    failing_again(pace, 0.0)
    assert [pace.wait(now, again=True) for now in (5.0, 6.0)] == [0, 0]
    assert pace.state is State.CLOSED, "nothing was sent that could have told more"

    pace = opened()
    assert [pace.wait(now) for now in (5.0, 6.0)] == [0, 0]
    assert pace.state is State.OPEN
    once(pace, 6.0, failed())
    assert ask(pace, 6.1) == pytest.approx(2), "one cool-down was over, not two"


def test_one_batch_that_is_alone_finds_out_that_the_destination_is_down() -> None:
    pace = proven(apart=True)
    excused = [once(pace, 0.0, failed(again=False))]
    excused += [once(pace, float(now), failed(again=True), again=True) for now in range(1, 5)]
    assert excused == [False, False, False, False, True]
    assert pace.limit_again == 1


def test_a_destination_that_takes_nothing_new_is_down_for_all() -> None:
    pace = proven(apart=True)
    for _ in range(5):
        once(pace, 0.0, failed(again=False))

    assert pace.state is State.OPEN
    assert ask(pace, 0.1) == ask(pace, 0.1, again=True) == pytest.approx(1)
    assert ask(pace, 1.2, again=True) == 0, "any may be the probe"
    assert ask(pace, 1.2) == FOREVER
    pace.heed(1.3, well())
    assert pace.state is State.CLOSED


def test_a_busy_answer_opens_neither() -> None:
    pace = proven(apart=True, pause=0.01, max_pause=0.01)
    for n in range(20):
        again = n % 2 == 0
        once(pace, n / 2, busy(again=again), again=again)  # and is let through

    assert pace.state is State.CLOSED
