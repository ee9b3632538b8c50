"""A line of progress on stderr, where that is a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vaulytica.cli.output.tally import Tally
from vaulytica.streams import AsyncStream

_SPAN = 3.0  # seconds over which the rate is taken


@contextmanager
def progress(tally: Tally) -> Iterator[Callable[[AsyncStream], object]]:
    """A function to call after each batch, and now and then, with the stream."""
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

        def show(stream: AsyncStream) -> None:
            bar.update(task, description=told(tally, pace.of(tally.settled.events), stream))

        yield show


def told(tally: Tally, per_second: float, stream: AsyncStream) -> str:
    """The line: what is delivered and what is not, how fast, what is under way, and if nothing gets on."""
    counts = tally.settled
    line = (
        f"{counts.delivered:,} delivered, {counts.events - counts.delivered:,} not; "
        f"{per_second:,.0f} events/s, {stream.in_flight} in flight, {stream.retries:,} retries"
    )
    return f"{line}; the destination is down" if stream.is_down else line


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
