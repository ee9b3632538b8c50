"""How long a lane waits for its next batch to be full."""

from __future__ import annotations

from vaulytica.relay.lanes.linger import Linger


def test_who_has_nothing_under_way_never_waits() -> None:
    linger = Linger(1.0)
    assert [linger.wait(now, is_busy=False) for now in (0.0, 0.5, 9.0)] == [0.0] * 3


def test_who_is_busy_waits_from_the_first_on_for_so_long_at_most() -> None:
    linger = Linger(1.0)
    assert [linger.wait(now, is_busy=True) for now in (5.0, 5.25, 5.75)] == [1.0, 0.75, 0.25]
    assert linger.wait(6.0, is_busy=True) == 0.0
    assert linger.wait(6.0, is_busy=True) == 1.0, "the next batch begins anew"


def test_when_the_others_have_ended_it_goes_at_once() -> None:
    linger = Linger(1.0)
    assert linger.wait(5.0, is_busy=True) == 1.0
    assert linger.wait(5.1, is_busy=False) == 0.0
    assert linger.wait(7.0, is_busy=True) == 1.0


def test_formats_of_one_event_a_request_have_nothing_to_wait_for() -> None:
    assert Linger(0.0).wait(5.0, is_busy=True) == 0.0
