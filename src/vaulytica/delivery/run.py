"""Run: one `send_batch` – what is left to send, and what has come of the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from vaulytica.delivery.batching import Batch, cut
from vaulytica.delivery.destination import Destination
from vaulytica.delivery.flow import deliver, not_sent
from vaulytica.delivery.outcome import Report, Result
from vaulytica.delivery.policy import DownDetector, Random
from vaulytica.delivery.ports import Clock, Flow

OnResult = Callable[[Result], object]


class Run:
    """Hands out deliveries and takes in their results, for any number of workers that take turns.

    Reads the caller's events no faster than deliveries are asked for; `on_result` hears of results.
    """

    def __init__(
        self, destination: Destination, events: Iterable[object], on_result: OnResult | None = None
    ) -> None:
        self._destination = destination
        self._planned: Iterator[Batch | Result] = cut(
            destination.format, events, destination.max_event_bytes
        )
        self._results: list[Result] = []
        self._on_result = on_result
        self._down = DownDetector()

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
