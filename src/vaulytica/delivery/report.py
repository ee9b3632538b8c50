"""Report: all outcomes of a call, or of a part of a stream: counts, and the why of what is not delivered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Self

import msgspec

from vaulytica.delivery.batching import Batch
from vaulytica.delivery.outcome import Deferred, Delivered, Rejected, Result

KEPT = 1000  # results that the total of a stream lists


class Settlement(msgspec.Struct):
    """What became of a batch in the end: a result for each event not delivered, the rest in groups."""

    results: list[Result] = []
    groups: list[tuple[Batch, Delivered, int]] = []

    def take(self, batch: Batch, outcome: Delivered, attempts: int) -> None:
        """These are delivered, after so many attempts."""
        self.groups.append((batch, outcome, attempts))

    @property
    def delivered(self) -> int:
        """How many events the destination has taken."""
        return sum([len(batch) for batch, _, _ in self.groups])

    def noted(self) -> Iterator[Result]:
        """The delivered of which the destination said more than that."""
        return (result for result in self._taken(noted=True))

    def all(self) -> list[Result]:
        """A result for each event."""
        return [*self._taken(noted=False), *self.results]

    def _taken(self, *, noted: bool) -> Iterator[Result]:
        for batch, outcome, attempts in self.groups:
            if outcome.note is not None or not noted:
                for item in batch.items:
                    yield Result(item.position, item.id, outcome, attempts)


class Counts(msgspec.Struct):
    """How many events came to what; `attempts` are requests, counted for each event in them."""

    delivered: int = 0
    rejected: int = 0
    deferred: int = 0
    noted: int = 0
    attempts: int = 0

    @property
    def events(self) -> int:
        """All events there were."""
        return self.delivered + self.rejected + self.deferred

    def add(self, other: Counts) -> None:
        """Count these as well."""
        self.delivered += other.delivered
        self.rejected += other.rejected
        self.deferred += other.deferred
        self.noted += other.noted
        self.attempts += other.attempts


class Report(int):
    """As an int, how many were delivered. `results`: of `send_batch` all, in the order of the events.

    Of a stream: those not delivered, or delivered with a note; the total lists the first `KEPT`.
    """

    results: tuple[Result, ...]
    counts: Counts

    def __new__(cls, results: Iterable[Result], counts: Counts | None = None) -> Self:
        """Put the results in the order of the events; count them, unless `counts` has more."""
        ordered = tuple(sorted(results, key=lambda result: result.position))
        counts = counted(ordered) if counts is None else counts
        report = super().__new__(cls, counts.delivered)
        report.results = ordered
        report.counts = counts
        return report

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.results, self.counts)

    @property
    def events(self) -> int:
        """How many events this is about."""
        return self.counts.events

    @property
    def complete(self) -> bool:
        """Whether every event is delivered."""
        return self.counts.delivered == self.counts.events

    @property
    def rejected(self) -> list[Result]:
        """The events that will never be taken as they are."""
        return [r for r in self.results if isinstance(r.outcome, Rejected)]

    @property
    def deferred(self) -> list[Result]:
        """The events that may be sent again later."""
        return [r for r in self.results if isinstance(r.outcome, Deferred)]

    @property
    def undelivered(self) -> list[Result]:
        """Both, in the order of the events."""
        return [r for r in self.results if not r.delivered]

    @property
    def noted(self) -> list[Result]:
        """The delivered of which the destination said more, such as that it put them elsewhere."""
        return [r for r in self.results if r.note is not None]

    @property
    def omitted(self) -> int:
        """How many undelivered events are counted, but not listed."""
        return self.counts.rejected + self.counts.deferred - len(self.undelivered)

    @property
    def attempts(self) -> int:
        """Requests made, counted for each event."""
        return self.counts.attempts

    def __str__(self) -> str:
        return int.__repr__(self)  # so that f"{report}/{len(events)}" counts, as in the guide

    def __repr__(self) -> str:
        counts = self.counts
        return (
            f"Report(delivered={counts.delivered}, rejected={counts.rejected}, "
            f"deferred={counts.deferred})"
        )


def counted(results: Iterable[Result]) -> Counts:
    """The counts of these results."""
    counts = Counts()
    for result in results:
        outcome = result.outcome
        counts.attempts += result.attempts
        if isinstance(outcome, Delivered):
            counts.delivered += 1
            counts.noted += outcome.note is not None
        elif isinstance(outcome, Rejected):
            counts.rejected += 1
        else:
            counts.deferred += 1
    return counts


def counts_of(settlement: Settlement) -> Counts:
    """The counts of a settlement."""
    counts = counted(settlement.results)
    for batch, outcome, attempts in settlement.groups:
        counts.delivered += len(batch)
        counts.attempts += attempts * len(batch)
        counts.noted += len(batch) if outcome.note is not None else 0
    return counts
