"""A line of progress on stderr, where that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vaulytica.cli.tally import Tally


@contextmanager
def progress(tally: Tally) -> Iterator[Callable[[], object]]:
    """A function to call after each outcome."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        BarColumn(pulse_style="green"),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("sending", total=None)

        def show() -> None:
            delivered, events = tally.counts["delivered"], tally.events
            bar.update(task, description=f"{delivered} delivered, {events - delivered} not")

        yield show
