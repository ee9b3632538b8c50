"""A line of progress on stderr, where that is a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vaulytica.cli.tally import Tally

_SPAN = 3.0  # seconds over which the rate is taken


@contextmanager
def progress(tally: Tally) -> Iterator[Callable[[int], object]]:
    """A function to call after each batch, with the number of batches in flight."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        BarColumn(pulse_style="green"),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    pace = _Rate()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("sending", total=None)

        def show(in_flight: int) -> None:
            bar.update(task, description=told(tally, pace.of(tally.settled.events), in_flight))

        yield show


def told(tally: Tally, per_second: float, in_flight: int) -> str:
    """The line: what is delivered and what is not, how fast, and what is under way."""
    counts = tally.settled
    tried = counts.events - tally.unsent
    retries = max(0, counts.attempts - tried)
    return (
        f"{counts.delivered:,} delivered, {counts.events - counts.delivered:,} not; "
        f"{per_second:,.0f} events/s, {in_flight} in flight, {retries:,} retries"
    )


class _Rate:
    """Events a second, over the last few seconds."""

    def __init__(self) -> None:
        self._seen: list[tuple[float, int]] = []

    def of(self, events: int) -> float:
        """The rate, with so many events by now."""
        now = time.monotonic()
        self._seen.append((now, events))
        while len(self._seen) > 2 and self._seen[1][0] < now - _SPAN:
            del self._seen[0]
        since, before = self._seen[0]
        return (events - before) / (now - since) if now > since else 0.0
