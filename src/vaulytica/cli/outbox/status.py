"""`vaulytica outbox status`: how much there is, for each destination."""

from __future__ import annotations

from msgspec import to_builtins

from vaulytica.cli.outbox.options import Json, Url, opened, span
from vaulytica.cli.output import json_line, line, stdout_console, visible
from vaulytica.outbox.delivery import Counts

COLUMNS = ("accepted", "delivered", "dead", "pending", "dropped", "purged")


def status(url: Url, json: Json = False) -> int:
    """Show how many events are delivered, dead and pending, for each destination."""
    with opened(url) as outbox:
        counts, size = outbox.counts(), outbox.used_bytes()
    if json:
        json_line({"destinations": to_builtins(counts), "bytes": size})
        return 0
    table(counts, oldest=True)
    line(f"{size / 1024**2:.1f} MiB in use")
    return 0


def table(counts: dict[str, Counts], *, oldest: bool) -> None:
    """The counts of each destination."""
    from rich.table import Table

    shown = Table(box=None, padding=(0, 2, 0, 0))
    shown.add_column("destination", overflow="fold")
    for name in (*COLUMNS, *(["oldest"] if oldest else [])):
        shown.add_column(name, justify="right")
    for name, found in counts.items():
        numbers = [str(getattr(found, column)) for column in COLUMNS]
        shown.add_row(visible(name), *numbers, *([span(found.oldest)] if oldest else []))
    stdout_console().print(shown)
