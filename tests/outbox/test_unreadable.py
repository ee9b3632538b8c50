"""What cannot be read is passed over at a cost that does not grow with how much of it there is."""

from __future__ import annotations

import math
from collections.abc import Iterator

from support.outbox import OwnClock
from vaulytica.outbox.sqlite import unreadable
from vaulytica.outbox.sqlite.clock import FileClock


class Watched(dict[int, float]):
    """Counts those of its deliveries that somebody comes by."""

    seen = 0

    def items(self) -> Iterator[tuple[int, float]]:  # type: ignore[override]
        for item in super().items():
            self.seen += 1
            yield item


def test_one_more_costs_the_same_however_many_there_are() -> None:
    passed = unreadable.Unreadable(FileClock(OwnClock(), 0))
    watched = Watched(dict.fromkeys(range(1000), math.inf))
    passed._until["siem"] = watched
    passed.add("siem", 1000)
    assert watched.seen == 0
    assert passed.of("siem") == frozenset(range(1001))
    assert passed.of("siem") is passed.of("siem")


def test_each_is_looked_at_again_ten_minutes_after_it_was_met_last() -> None:
    clock = OwnClock()
    passed = unreadable.Unreadable(FileClock(clock, 0))
    passed.add("siem", 1)
    passed.add("siem", 2)
    clock.pass_by(300.0)
    passed.add("siem", 1)
    assert passed.of("siem") == {1, 2}
    clock.pass_by(300.0)
    assert passed.of("siem") == {1}
    assert passed.of("other") == frozenset()
    clock.pass_by(300.0)
    assert passed.of("siem") == frozenset()
