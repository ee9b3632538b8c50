"""When a lane that is to end may do so."""

from __future__ import annotations

from math import inf

import pytest

from vaulytica.relay.lanes.ending import Ending


@pytest.mark.parametrize(
    ("seconds", "is_over"), [(0.0, False), (4.9, False), (5.0, True), (inf, True)]
)
def test_what_can_go_before_the_end_is_waited_for(seconds: float, is_over: bool) -> None:
    ending = Ending()
    assert not ending.is_over(95.0, seconds), "it was not told to end"
    ending.drain(100.0)
    assert ending.is_over(95.0, seconds) is is_over
    assert not ending.is_stopping


def test_told_twice_the_earlier_end_counts() -> None:
    ending = Ending()
    ending.drain(100.0)
    ending.drain(200.0)
    assert ending.is_over(99.0, 1.0)
