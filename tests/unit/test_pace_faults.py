"""Whose fault a failure is: the batch's, which costs a retry, or the whole destination's."""

from __future__ import annotations

from support.pace import ask, busy, failed, once, proven, well
from vaulytica.delivery.breaker import State
from vaulytica.delivery.pace import Heard, Pace, Signal


def test_a_batch_that_fails_while_others_are_delivered_is_at_fault() -> None:
    pace = proven()
    for now in range(20):
        assert not once(pace, float(2 * now), failed())
        once(pace, float(2 * now + 1), well())


def test_a_batch_that_is_told_busy_while_others_are_delivered_is_at_fault() -> None:
    pace = proven()
    assert not once(pace, 0.0, busy(again=False))
    for now in range(10, 200, 10):
        once(pace, float(now), well())
        assert not once(pace, float(now + 5), busy())


def test_the_first_failure_counts_and_those_at_the_same_time_do_not() -> None:
    pace = proven()
    for _ in range(4):
        ask(pace, 0.0)

    assert [pace.heed(0.1, failed()) for _ in range(4)] == [False, True, True, True]


def test_failures_one_after_another_count_if_they_may_be_the_same_batch_s() -> None:
    pace = proven(open_after=100)

    assert [once(pace, now, failed()) for now in (0.0, 1.0, 2.0)] == [False, False, False]
    assert once(pace, 3.0, failed(again=False)), "surely another batch"


def test_a_destination_that_names_a_time_is_at_fault_even_if_it_never_delivered() -> None:
    assert once(Pace(), 0.0, busy(hold=2.0))


def test_no_connection_is_never_the_batch_s_fault() -> None:
    unreached = Signal(Heard.UNREACHED, 0.01)

    assert once(proven(), 0.0, unreached)
    assert not once(Pace(), 0.0, unreached), "it may be misconfigured"


def test_a_proxy_that_failed_is_never_the_batch_s_fault_nor_the_destination_s() -> None:
    failed_on_the_way = Signal(Heard.PROXY, 0.01)

    assert once(proven(), 0.0, failed_on_the_way)
    pace = Pace()
    for now in range(5):
        assert once(pace, float(now), failed_on_the_way)
    assert pace.state is State.OPEN, "there is no use in asking it again and again"


def test_a_destination_that_has_never_delivered_is_not_excused() -> None:
    pace = Pace()
    for _ in range(8):
        ask(pace, 0.0)

    assert not any(pace.heed(0.1, failed()) for _ in range(8))
    assert not once(pace, 1.2, failed()), "the probe of an open breaker"


def test_a_destination_that_is_busy_twice_in_a_row_is_at_fault() -> None:
    pace = proven()

    assert not once(pace, 0.0, busy())
    assert once(pace, 10.0, busy())


def test_a_destination_that_told_another_batch_lately_that_it_is_busy_is_at_fault() -> None:
    pace = proven()
    for first in (0.0, 200.0):
        assert not once(pace, first, busy(again=False))
        once(pace, first + 10, well())
        assert once(pace, first + 20, busy(again=False))
        once(pace, first + 30, well())
        assert once(pace, first + 40, busy())
        once(pace, first + 50, well())


def test_items_told_to_wait_in_a_request_that_went_well_are_excused_if_others_were_too() -> None:
    pace = proven()
    partly = Signal(Heard.BUSY, 0.1, delivered=5, again=False)

    assert [once(pace, now, partly) for now in (0.0, 1.0, 2.0)] == [False, True, True]


def test_what_went_well_is_nobodys_fault() -> None:
    assert not once(proven(), 0.0, well())
