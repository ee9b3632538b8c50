"""What the tests of the outbox share: a clock they own, stores by name, and the law."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vaulytica.outbox.delivery import Delivery, Filter, Kept, Tried, bury
from vaulytica.outbox.parcel import Parcel

BEGIN = 1761739200.0
# One of each store in the table.
URLS = {"sqlite": "sqlite://{path}/outbox.db"}
WHY = Tried(1761739200.0, "HTTP 503: busy", "throttled", 503)
NEVER = Tried(1761739200.0, "HTTP 400: no", "rejected", 400)


class OwnClock:
    """A clock that only the test moves. `jump` sets the system's clock, and no time passes."""

    def __init__(self) -> None:
        self.wall = BEGIN
        self.ticks = 100.0

    def time(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.ticks

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.ticks += seconds

    def jump(self, seconds: float) -> None:
        self.wall += seconds


def parcel(*ids: str, severity: str = "info", **data: Any) -> Parcel:
    """Events with these ids."""
    return Parcel.of(
        [{"type": "t", "data": {"of": id, **data}, "id": id, "severity": severity} for id in ids]
    )


def ids_in(*deliveries: Delivery | Kept) -> list[str]:
    """The ids of the events in the deliveries' bodies, in order."""
    import json

    lines = [line for delivery in deliveries for line in delivery.body.splitlines()]
    return [json.loads(line)["id"] for line in lines]


def everything(outbox: Any, **which: Any) -> Iterator[Kept]:
    """All that the outbox has and that fits, with bodies."""
    after = 0
    while page := outbox.browse(Filter(**which), after=after, most=50, bodies=True):
        yield from page
        after = page[-1].id


def the_law(outbox: Any) -> None:
    """accepted = delivered + dead + pending (+ what was thrown away on demand), and the rows say the same."""
    rows = list(everything(outbox))
    for name, counts in outbox.counts().items():
        assert counts.balance == 0
        here = [row for row in rows if row.destination == name]
        dead = sum(row.events for row in here if row.state == "dead")
        pending = sum(row.events for row in here if row.state not in ("dead", "delivered"))
        assert (dead, pending) == (counts.dead, counts.pending), name
        assert min(counts.delivered, dead, pending, counts.dropped, counts.purged) >= 0
    for row in rows:
        assert len(ids_in(row)) == row.events


def dead(outbox: Any, *ids: str) -> None:
    """Have a dead letter of these events, and nothing claimed."""
    outbox.put(parcel(*ids), ["siem"])
    outbox.settle([bury(delivery, NEVER) for delivery in outbox.claim("siem")])
