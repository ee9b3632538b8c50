"""Tally: what became of every entry, where in the input it stands, and the report file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from vaulytica.cli.input.places import Places
from vaulytica.cli.output.out_file import OutFile
from vaulytica.delivery.batching import Item
from vaulytica.delivery.outcome import Delivered, ReasonKind, Result
from vaulytica.delivery.report import KEPT, Counts, Report
from vaulytica.delivery.standing import Left
from vaulytica.errors import WebhookError


@dataclass
class Tally:
    """Counts, and the first undelivered. `several` inputs: then each line of the report names its file."""

    several: bool
    report: OutFile | None = None
    places: Places = field(default_factory=Places)
    settled: Counts = field(default_factory=Counts)
    undelivered: list[dict[str, Any]] = field(default_factory=list)
    unknown: int = 0
    not_begun: int = 0
    unsent: int = 0  # of the deferred, those that were never tried
    report_error: WebhookError | None = None  # then nothing more is written

    @property
    def counts(self) -> dict[str, int]:
        """How many events came to what."""
        return {
            "delivered": self.settled.delivered,
            "rejected": self.settled.rejected,
            "deferred": self.settled.deferred + self.not_begun,
            "unknown": self.unknown,
        }

    @property
    def events(self) -> int:
        """All entries there were."""
        return sum(self.counts.values())

    @property
    def complete(self) -> bool:
        """Whether every one is delivered."""
        return self.settled.delivered == self.events

    def write(self, result: Result) -> None:
        """One line of the report file."""
        if self.report is not None:
            self._on_report(lambda report: report.write(self._row(result)))

    def add(self, report: Report) -> None:
        """Take in what became of a batch."""
        self.settled.add(report.counts)
        for result in report.results:
            if result.reason is None:
                continue
            if result.reason.kind is ReasonKind.NOT_SENT:
                self.unsent += 1
            if len(self.undelivered) < KEPT:
                self.undelivered.append(self._row(result))

    def stopped(self, left: Left, why: str) -> None:
        """Take in what was not settled when we were stopped."""
        for result in left.results:
            self.write(result)
        self.add(Report(left.results))
        for item in left.under_way:
            self.unknown += 1
            self._left(item, "unknown", None, "interrupted while it was under way")
        for item in left.not_begun:
            self.not_begun += 1
            self.unsent += 1
            self._left(item, "deferred", 0, f"not sent: {why}")

    def close(self) -> None:
        """The report is complete."""
        self._on_report(OutFile.close)

    def _left(self, item: Item, outcome: str, attempts: int | None, reason: str) -> None:
        row = self._place(item.position) | {"id": item.id, "outcome": outcome}
        row |= {"status": None, "attempts": attempts, "reason": reason}
        self._on_report(lambda report: report.write(row))
        if len(self.undelivered) < KEPT:
            self.undelivered.append(row)

    def _row(self, result: Result) -> dict[str, Any]:
        outcome, reason = result.outcome, result.reason
        row = self._place(result.position)
        row |= {"id": result.event_id, "outcome": type(outcome).__name__.lower()}
        row["status"] = outcome.status if isinstance(outcome, Delivered) else outcome.reason.status
        return row | {"attempts": result.attempts, "reason": reason.text if reason else result.note}

    def _place(self, position: int) -> dict[str, Any]:
        file, line = self.places.of(position)
        return ({"file": file} if self.several else {}) | {"line": line}

    def _on_report(self, act: Callable[[OutFile], None]) -> None:
        if self.report is None or self.report_error is not None:
            return
        try:
            act(self.report)
        except WebhookError as error:
            self.report_error = error
