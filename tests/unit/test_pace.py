"""Pace: what holds a request back, and for how long."""

from __future__ import annotations

import pytest

from support.pace import FOREVER, ask, busy, failed, once, rounds, well
from vaulytica.delivery.pace import Heard, Pace, PaceSettings, Signal

# --- How many in flight.


def test_as_many_as_the_settings_say_may_be_in_flight_and_the_next_waits_for_an_end() -> None:
    pace = Pace(PaceSettings(concurrency=3))

    assert [ask(pace, 0.0) for _ in range(4)] == [0, 0, 0, FOREVER]
    pace.heed(0.1, well())
    assert ask(pace, 0.1) == 0
    assert pace.in_flight == 3


def test_an_attempt_that_was_stopped_makes_room() -> None:
    pace = Pace(PaceSettings(concurrency=1))
    ask(pace, 0.0)
    pace.leave()

    assert pace.in_flight == 0
    assert ask(pace, 0.0) == 0


def test_eight_that_are_told_busy_at_once_halve_the_limit_once() -> None:
    pace = Pace()
    for _ in range(8):
        ask(pace, 0.0)
    for _ in range(8):
        pace.heed(0.1, busy())

    assert pace.limit == 4


def test_the_limit_grows_by_one_for_each_round_of_answers_that_are_well() -> None:
    pace = Pace()
    once(pace, 0.0, busy())
    now, grown = 10.0, []
    for answers in (4, 5, 6):
        for _ in range(answers):
            once(pace, now, well())
            now += 1
        grown.append(pace.limit)

    assert grown == pytest.approx([5, 6, 7], abs=0.2)


def test_the_limit_stays_between_one_and_the_setting() -> None:
    pace = Pace(PaceSettings(concurrency=2))
    for now in range(0, 600, 60):
        once(pace, float(now), busy())
    assert pace.limit == 1
    for now in range(600, 700):
        once(pace, float(now), well())
    assert pace.limit == 2


def test_a_nearly_full_queue_takes_a_tenth_off_the_limit_without_a_pause() -> None:
    pace = Pace()
    excused = once(pace, 0.0, Signal(Heard.BUSY, 0.1, delivered=100))

    assert pace.limit == pytest.approx(7.2)
    assert not excused
    assert ask(pace, 0.1) == 0


# --- Latency.


def test_answers_that_get_several_times_slower_halve_the_limit() -> None:
    pace = Pace()
    now = rounds(pace, 0.0, [0.1] * 8)
    now = rounds(pace, now, [0.4] * 15)
    assert pace.limit == 8
    rounds(pace, now, [0.4])

    assert pace.limit == 4


def test_if_sending_less_helps_the_limit_stays_low_and_grows_again_slowly() -> None:
    pace = Pace()
    now = rounds(pace, 0.0, [0.1] * 8)
    now = rounds(pace, now, [0.4] * 16)
    now = rounds(pace, now, [0.2] * 5)
    assert pace.limit == 4
    rounds(pace, now, [0.2] * 4)

    assert 4.8 < pace.limit < 5.2


def test_if_sending_less_does_not_help_the_destination_just_takes_that_long_now() -> None:
    pace = Pace()
    now = rounds(pace, 0.0, [0.1] * 8)
    now = rounds(pace, now, [0.4] * 16)
    now = rounds(pace, now, [0.4] * 5)
    assert pace.limit == 8
    rounds(pace, now, [0.4] * 100)

    assert pace.limit == 8


def test_with_one_in_flight_what_an_answer_takes_becomes_what_is_expected() -> None:
    pace = Pace()
    now = rounds(pace, 0.0, [0.1] * 8)
    for _ in range(3):
        once(pace, now, busy())
        now += 60
    assert pace.limit == 1
    rounds(pace, now, [0.9] * 60)

    assert pace.limit == 8


def test_one_slow_answer_in_ten_changes_nothing() -> None:
    pace = Pace()
    rounds(pace, 0.0, ([0.1] * 9 + [5.0]) * 50)

    assert pace.limit == 8


def test_time_outs_are_slow_answers_and_failures_at_once_are_not() -> None:
    slow, fast = Pace(PaceSettings(open_after=100)), Pace(PaceSettings(open_after=100))
    for pace, latency in ((slow, 10.0), (fast, 0.01)):
        now = rounds(pace, 0.0, [0.1] * 8)
        for _ in range(16):
            once(pace, now, failed(latency))
            now += latency
    assert (slow.limit, fast.limit) == (4, 8)
    rounds(fast, now, [0.1] * 16)

    assert fast.limit == 8, "it has not learnt that answers take 10 ms"


@pytest.mark.parametrize("probed", [False, True], ids=["busy", "outage"])
def test_after_a_decrease_for_another_reason_a_trial_is_over(probed: bool) -> None:
    pace = Pace()
    now = rounds(pace, 0.0, [0.1] * 8)
    now = rounds(pace, now, [0.4] * 16)
    for _ in range(5 if probed else 1):
        once(pace, now, failed() if probed else busy())
        now += 60
    rounds(pace, now, [0.4] * 3)

    assert pace.limit == pytest.approx(2.5 if probed else 3.245, abs=0.01), "it has grown"


# --- Holds and pauses.


@pytest.mark.parametrize("heard", [Heard.BUSY, Heard.FAILED])
def test_a_hold_keeps_everything_back_until_it_is_over(heard: Heard) -> None:
    pace = Pace()
    once(pace, 0.0, Signal(heard, 0.1, hold=20.0))

    assert ask(pace, 5.1) == pytest.approx(15)
    assert ask(pace, 5.1, patient=False) == pytest.approx(15)
    assert ask(pace, 20.2) == 0


def test_a_hold_is_capped_and_a_shorter_one_does_not_end_it() -> None:
    pace = Pace(PaceSettings(max_hold=60))
    ask(pace, 0.0)
    once(pace, 0.0, busy(hold=1e9))
    pace.heed(0.1, busy(hold=1.0))

    assert ask(pace, 0.1) == pytest.approx(60)


def test_pauses_of_a_busy_destination_double_up_to_a_bound() -> None:
    pace, now, pauses = Pace(PaceSettings(pause=0.25, max_pause=2)), 0.0, []
    for _ in range(6):
        once(pace, now, busy())
        pauses.append(ask(pace, now + 0.1))
        now += 0.2 + pauses[-1]

    assert pauses == pytest.approx([0.25, 0.5, 1, 2, 2, 2])


def test_a_delivery_makes_the_next_pause_short_again() -> None:
    pace = Pace()
    once(pace, 0.0, busy())
    once(pace, 10.0, busy())
    once(pace, 20.0, well())
    once(pace, 30.0, busy())

    assert ask(pace, 30.1) == pytest.approx(0.25)


def test_a_pause_is_no_matter_for_an_impatient_caller() -> None:
    pace = Pace(PaceSettings(concurrency=1))
    once(pace, 0.0, busy())

    assert ask(pace, 0.1) > 0
    assert ask(pace, 0.1, patient=False) == 0


# --- Rate limits.


def test_a_rate_limit_lets_a_second_s_worth_go_at_once_and_then_as_many_as_it_says() -> None:
    pace = Pace(PaceSettings(events_per_second=100))

    assert pace.admit(0.0, 60, 1) == 0
    assert pace.admit(0.0, 60, 1) == pytest.approx(0.2)
    assert pace.admit(0.21, 60, 1) == 0


def test_a_batch_larger_than_a_second_s_worth_goes_out_and_the_next_pays_for_it() -> None:
    pace = Pace(PaceSettings(bytes_per_second=1000))

    assert pace.admit(0.0, 1, 5000) == 0
    assert pace.admit(0.0, 1, 5000) == pytest.approx(5)


def test_an_impatient_caller_keeps_the_rate_limit_too() -> None:
    pace = Pace(PaceSettings(events_per_second=1))

    assert ask(pace, 0.0, patient=False) == 0
    assert ask(pace, 0.0, patient=False) == pytest.approx(1)
