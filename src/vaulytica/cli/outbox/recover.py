"""`vaulytica outbox recover`: what can be read of a damaged file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import to_builtins

from vaulytica.cli.options.groups import grouped
from vaulytica.cli.outbox.options import Json, Where, some
from vaulytica.cli.outbox.status import table
from vaulytica.cli.output.printing import json_line, line

if TYPE_CHECKING:
    from vaulytica.outbox.sqlite.recover import Recovered


@grouped
def recover(
    where: Where,
    into: Annotated[Path, typer.Option(metavar="FILE", help="The new file.", show_default=False)],
    json: Json = False,
) -> int:
    """Save what a damaged outbox still holds. It goes into a new file; what is lost is said."""
    from vaulytica.outbox.sqlite.connection import path_of
    from vaulytica.outbox.sqlite.recover import recover as recovered

    found = recovered(path_of(where.url), into.absolute())
    hurt = sorted({*found.lost, *found.doubtful, *found.uncounted})
    if json:
        json_line(to_builtins(found) | {"destinations": to_builtins(found.counts)})
        return 1 if hurt else 0
    for damage in found.damage:
        line(f"DAMAGED: {damage}")
    table(found.counts, oldest=False)
    for name in hurt:
        line(f"LOST: {name}: {_what(found, name)}")
    line(f"what can be read is in {into}; put it where the old one was, and start the relay")
    return 1 if hurt else 0


def _what(found: Recovered, name: str) -> str:
    """What became of a destination's events."""
    words = []
    lost, doubtful = found.lost.get(name, 0), found.doubtful.get(name, 0)
    if lost:
        at_least = "at least " if name in found.uncounted else "up to " if doubtful else ""
        words.append(f"{at_least}{some(lost, 'event')} cannot be read as they were")
    if doubtful:
        words.append(f"{some(doubtful, 'event')} may be altered or delivered already: dead letters")
    if name in found.uncounted:
        words.append("its counters are lost, and begin with what is here")
    return ", ".join(words)
