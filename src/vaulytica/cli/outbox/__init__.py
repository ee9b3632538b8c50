"""`vaulytica outbox …`: what is kept, for people to look at, and to decide on. One file for each command or few."""

from __future__ import annotations

import typer

from vaulytica.cli.outbox.audit import audit
from vaulytica.cli.outbox.browse import list_, show
from vaulytica.cli.outbox.move import bury, purge, replay
from vaulytica.cli.outbox.pause import pause, resume
from vaulytica.cli.outbox.recover import recover
from vaulytica.cli.outbox.status import status

outbox = typer.Typer(
    help="Look at what an outbox keeps, and decide on it. A relay may be running on it meanwhile.",
    rich_markup_mode=None,
    epilog="Exit codes: 0 done, 1 something is wrong or was not done, 2 wrong usage.",
)
outbox.command()(status)
outbox.command("list")(list_)
for command in (show, replay, bury, purge, pause, resume, audit, recover):
    outbox.command()(command)
