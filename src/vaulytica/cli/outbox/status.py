"""`vaulytica outbox status`: how much there is, for each destination."""

from __future__ import annotations

from msgspec import to_builtins

from vaulytica.cli.options.groups import grouped
from vaulytica.cli.outbox.moments import moment, span
from vaulytica.cli.outbox.options import Json, Where
from vaulytica.cli.output.printing import json_line, line, stdout_console, visible
from vaulytica.outbox.delivery import Counts

COLUMNS = ("accepted", "delivered", "dead", "pending", "dropped", "purged")


@grouped
def status(where: Where, json: Json = False) -> int:
    """Count what is delivered, dead and pending. Since the beginning, for each destination."""
    from vaulytica.outbox.sqlite.noted import noted_damage
    from vaulytica.outbox.sqlite.usage import log_bytes

    with where.opened(look_only=True) as outbox:
        paused, damage = outbox.paused(), noted_damage(outbox.path)
        counts, size, log = outbox.counts(), outbox.used_bytes(), log_bytes(outbox.path)
    if json:
        json_line(
            {
                "destinations": to_builtins(counts),
                "paused": to_builtins(paused),
                "bytes": size,
                "log_bytes": log,
                "damage": damage and {"since": damage.since, "why": damage.why},
            }
        )
        return 0
    table(counts, oldest=True)
    for name, pause in paused.items():
        since = moment(pause.since)
        line(f"{name} is paused since {since}: {pause.why}; vaulytica outbox resume {name} goes on")
    line(f"{_mib(size)} in use" + (f", and {_mib(log)} in its log" if log > _LEAST else ""))
    if damage is not None:
        line(f"DAMAGED: the relay found it at {moment(damage.since)}: {damage.why}")
    return 0


_LEAST = 1024**2 // 20  # bytes of a log that are worth a word


def _mib(size: int) -> str:
    return f"{size / 1024**2:.1f} MiB"


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
