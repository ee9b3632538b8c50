"""`vaulytica outbox pause` and `resume`: whether anything is sent to a destination."""

from __future__ import annotations

from typing import Annotated

import typer

from vaulytica.cli.options.groups import grouped
from vaulytica.cli.outbox.options import Where, check_known
from vaulytica.cli.output.printing import line

Names = Annotated[list[str], typer.Argument(metavar="DESTINATION", show_default=False)]


@grouped
def pause(
    where: Where,
    names: Names,
    why: Annotated[str, typer.Option(metavar="TEXT", help="For those who look.")] = "by hand",
) -> int:
    """Send nothing to a destination until it is resumed. Events for it are kept meanwhile."""
    with where.opened() as outbox:
        known = outbox.counts()
        for name in names:
            check_known(name, known)
        for name in dict.fromkeys(names):
            outbox.pause(name, why)
            line(f"{name} is paused; vaulytica outbox resume {name} goes on")
    return 0


@grouped
def resume(where: Where, names: Names) -> int:
    """Go on with what was paused. By hand, or because it answered 410 Gone."""
    with where.opened() as outbox:
        known = outbox.counts()
        for name in names:
            check_known(name, known)
        resumed = outbox.resume(names)
        for name in dict.fromkeys(names):
            line(f"{name} is resumed" if name in resumed else f"{name} was not paused")
    return 0
