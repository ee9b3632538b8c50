"""Run: one `send_batch` – what is left to send, what has come of the rest, and when to stop early."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from vaulytica.delivery.batching import Batch, cut
from vaulytica.delivery.destination import Destination
from vaulytica.delivery.flow import deliver, not_sent
from vaulytica.delivery.outcome import (
    Delivered,
    Outcome,
    ReasonKind,
    Rejected,
    Report,
    Result,
)
from vaulytica.delivery.policy import Random
from vaulytica.delivery.ports import Clock, Flow

OnResult = Callable[[Result], object]


class DownDetector:
    """Notices that the destination is plainly down, so that the rest is not tried; `why` says how.

    Down is: no valid credentials (401, 407, no token), no trusted TLS connection, or 410 Gone – once;
    or `AFTER` events in a row, none delivered between, that spent all their attempts or met 403, 404,
    405 or a redirect.
    """

    AFTER = 3
    _AT_ONCE = frozenset({ReasonKind.AUTH, ReasonKind.TLS})
    # Of one event, 403 may also be what a firewall says to a file's name.
    _WHOLE_DESTINATION = frozenset({301, 302, 303, 307, 308, 403, 404, 405})

    def __init__(self) -> None:
        self.why: str | None = None
        self._in_a_row = 0

    def observe(self, outcomes: Sequence[Outcome]) -> None:
        """Take in the final outcomes of one delivery."""
        for outcome in outcomes:
            if isinstance(outcome, Delivered):
                self._in_a_row = 0
                continue
            reason = outcome.reason
            if isinstance(outcome, Rejected):
                at_once = reason.kind in self._AT_ONCE and reason.status != 403
                if at_once or reason.status == 410:
                    self.why = reason.text
                if reason.status not in self._WHOLE_DESTINATION:
                    continue
            elif reason.kind is ReasonKind.NOT_SENT:
                continue
            self._in_a_row += 1
            if self._in_a_row >= self.AFTER:
                self.why = reason.text


class Run:
    """Hands out deliveries and takes in their results, for any number of workers that take turns.

    Reads the caller's events no faster than deliveries are asked for; `on_result` hears of results.
    """

    def __init__(
        self,
        destination: Destination,
        events: Iterable[object],
        on_result: OnResult | None = None,
        down: DownDetector | None = None,
    ) -> None:
        self._destination = destination
        self._planned: Iterator[Batch | Result] = cut(
            destination.format, events, destination.max_event_bytes
        )
        self._results: list[Result] = []
        self._on_result = on_result
        self._down = DownDetector() if down is None else down

    def deliveries(self, clock: Clock, rng: Random) -> Iterator[Flow[list[Result]]]:
        """A flow for each batch; results that need no request are kept on the way."""
        for item in self._planned:
            if isinstance(item, Result):
                self._keep([item])
            elif self._down.why is not None:
                self._keep(not_sent(item, f"the destination is down: {self._down.why}"))
            else:
                yield deliver(self._destination, item, clock, rng)

    def settle(self, results: list[Result]) -> None:
        """Take in the final results of a batch."""
        self._down.observe([result.outcome for result in results])
        self._keep(results)

    def report(self) -> Report:
        """All results so far."""
        return Report(self._results)

    def _keep(self, results: list[Result]) -> None:
        self._results += results
        if self._on_result is not None:
            for result in results:
                self._on_result(result)
