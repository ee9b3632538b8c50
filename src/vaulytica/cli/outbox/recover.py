"""`vaulytica outbox recover`: what can be read of a damaged file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from msgspec import to_builtins

from vaulytica.cli.outbox.options import Json, Url, some
from vaulytica.cli.outbox.status import table
from vaulytica.cli.output import json_line, line


def recover(
    url: Url,
    into: Annotated[
        Path, typer.Option(metavar="FILE", help="The new file; its whole path.", show_default=False)
    ],
    json: Json = False,
) -> int:
    """Save what can be read of a damaged outbox into a new file, and say what is lost."""
    from vaulytica.outbox.sqlite.connection import path_of
    from vaulytica.outbox.sqlite.recover import recover as recovered

    found = recovered(path_of(url), into.absolute())
    if json:
        json_line(
            {
                "destinations": to_builtins(found.counts),
                "lost": found.lost,
                "doubtful": found.doubtful,
            }
        )
        return 1 if found.lost else 0
    table(found.counts, oldest=False)
    for name, count in found.lost.items():
        line(f"LOST: {some(count, 'event')} for {name} cannot be read as they were")
    if found.doubtful:
        line(
            f"{some(found.doubtful, 'event')} of whose delivery nothing can be read: dead letters now, "
            "some of the lost, or delivered before"
        )
    line(f"what can be read is in {into}")
    return 1 if found.lost else 0
