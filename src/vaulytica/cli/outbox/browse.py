"""`vaulytica outbox list` and `show`: what is kept."""

from __future__ import annotations

import json as json_module
from typing import Annotated, Any

import typer

from vaulytica.cli.options.groups import grouped
from vaulytica.cli.outbox.moments import moment
from vaulytica.cli.outbox.options import Json, Where, WhichInState, some
from vaulytica.cli.output.printing import json_line, line, stdout_console, visible
from vaulytica.errors import WebhookConfigError
from vaulytica.outbox.delivery import Filter, Kept
from vaulytica.outbox.states import State

_LONGEST_WHY, _WIDEST = 60, 10_000
_MOST_SHOWN = 1000


@grouped
def list_(
    where: Where,
    which: WhichInState,
    *,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Deliveries at most.")] = 50,
    after: Annotated[int, typer.Option(min=0, metavar="ID", help="Only behind this one.")] = 0,
    json: Json = False,
) -> int:
    """List deliveries, the oldest first. Each is a batch of events for one destination."""
    with where.opened(look_only=True) as outbox:
        wanted = which.filter(outbox, which.states())
        found = outbox.browse(wanted, after=after, most=limit + 1)
    shown = found[:limit]
    if json:
        for kept in shown:
            json_line(_as_json(kept))
        return 0
    if shown:
        _table(shown)
    else:
        line("no delivery fits")
    if len(found) > limit:
        line(f"… and more: --after {shown[-1].id}")
    return 0


@grouped
def show(
    where: Where,
    id: Annotated[str, typer.Argument(metavar="ID", help="A delivery's number, or an event's id.")],
    json: Json = False,
) -> int:
    """Show a delivery, or an event. With the attempts that were made; of an event, all its deliveries."""
    with where.opened(look_only=True) as outbox:
        which = Filter(ids=(int(id),)) if id.isdecimal() else Filter(event=id)
        found = outbox.browse(which, most=_MOST_SHOWN, bodies=True)
    if not found:
        raise WebhookConfigError(f"the outbox holds no delivery and no event {id}")
    for kept in found:
        if json:
            events = [json_module.loads(text) for text in kept.body.splitlines()]
            json_line(_as_json(kept) | {"events": events})
        else:
            _show(kept)
    return 0


def _as_json(kept: Kept) -> dict[str, Any]:
    return {
        "id": kept.id,
        "destination": kept.destination,
        "state": kept.state,
        "count": kept.events,
        "kept": moment(kept.kept),
        "due": moment(kept.due),
        "attempts": kept.attempts,
        "key": kept.key,
        "tried": [
            {"at": moment(one.at), "status": one.status, "kind": one.kind, "text": one.text}
            for one in kept.tried
        ],
    }


def _table(found: list[Kept]) -> None:
    """However narrow the terminal is, numbers and names are whole: people copy them."""
    from rich.measure import Measurement
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("id", "destination", "state", "events", "kept", "attempts", "last attempt"):
        is_number = name in ("id", "events", "attempts")
        table.add_column(name, justify="right" if is_number else "left", no_wrap=True)
    for kept in found:
        why = kept.tried[-1].text if kept.tried else ""
        why = why if len(why) <= _LONGEST_WHY else f"{why[:_LONGEST_WHY]}…"
        numbers = str(kept.id), visible(kept.destination), kept.state, str(kept.events)
        table.add_row(*numbers, moment(kept.kept), str(kept.attempts), visible(why))
    console = stdout_console()
    needed = Measurement.get(console, console.options.update(max_width=_WIDEST), table).maximum
    console.width = max(console.width, needed)
    console.print(table)


def _show(kept: Kept) -> None:
    line(f"delivery {kept.id} for {kept.destination}: {kept.state}, {some(kept.events, 'event')}")
    word = "since" if kept.state in (State.DEAD, State.DELIVERED) else "due"
    line(f"kept {moment(kept.kept)}, {word} {moment(kept.due)}, {some(kept.attempts, 'attempt')}")
    for one in kept.tried:
        line(f"  {moment(one.at)}  {one.text}")
    if (more := kept.attempts - len(kept.tried)) > 0 and kept.tried:
        line(f"  … and {some(more, 'attempt')} of which no more is kept")
    for text in kept.body.decode("utf-8", "replace").splitlines():
        line(text)
    line()
