"""Tally: counts outcomes as they come, keeps the first undelivered ones, and writes the report file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from vaulytica.cli.out_file import OutFile
from vaulytica.cli.reading import Bad, Entry
from vaulytica.delivery.outcome import Delivered, ReasonKind, Result
from vaulytica.errors import WebhookError

KEPT = 1000  # undelivered events that are shown; --report has them all


@dataclass
class Tally:
    """What became of every entry. `several` inputs: then each line of the report names its file."""

    several: bool
    report: OutFile | None = None
    counts: Counter[str] = field(default_factory=Counter)
    undelivered: list[dict[str, Any]] = field(default_factory=list)
    attempts: int = 0
    report_error: WebhookError | None = None  # then nothing more is written
    unsent: int = 0  # of the deferred, those that were never tried

    @property
    def events(self) -> int:
        """All entries there were."""
        return self.counts.total()

    @property
    def complete(self) -> bool:
        """Whether every one is delivered."""
        return self.counts["delivered"] == self.events

    def bad(self, entry: Bad) -> None:
        """A piece of input that is no event."""
        self._add(entry, None, "rejected", reason=entry.why)

    def settled(self, entry: Entry, result: Result) -> None:
        """An event whose fate is known."""
        outcome, reason = result.outcome, result.reason
        if reason is not None and reason.kind is ReasonKind.NOT_SENT:
            self.unsent += 1
        self._add(
            entry,
            result.event_id,
            type(outcome).__name__.lower(),
            status=outcome.status if isinstance(outcome, Delivered) else outcome.reason.status,
            attempts=result.attempts,
            reason=reason.text if reason else None,
        )

    def not_sent(self, entry: Entry, why: str) -> None:
        """An event for which nothing was begun."""
        self.unsent += 1
        self._add(entry, None, "deferred", reason=f"not sent: {why}")

    def unknown(self, entry: Entry) -> None:
        """An event that was under way when we were stopped: it may have arrived."""
        why = "interrupted while it was under way"
        self._add(entry, None, "unknown", attempts=None, reason=why)

    def close(self) -> None:
        """The report is complete."""
        self._on_report(OutFile.close)

    def _on_report(self, act: Callable[[OutFile], None]) -> None:
        if self.report is None or self.report_error is not None:
            return
        try:
            act(self.report)
        except WebhookError as error:
            self.report_error = error

    def _add(
        self,
        entry: Entry | Bad,
        id: str | None,
        outcome: str,
        *,
        status: int | None = None,
        attempts: int | None = 0,
        reason: str | None = None,
    ) -> None:
        row: dict[str, Any] = {"file": entry.file} if self.several else {}
        row |= {"line": entry.line, "id": id, "outcome": outcome}
        row |= {"status": status, "attempts": attempts, "reason": reason}
        self.counts[outcome] += 1
        self.attempts += attempts or 0
        self._on_report(lambda report: report.write(row))
        if outcome != "delivered" and len(self.undelivered) < KEPT:
            self.undelivered.append(row)
