"""`vaulytica outbox list` and `show`: what is kept."""

from __future__ import annotations

import json as json_module
import re
from typing import Annotated, Any

import typer

from vaulytica.cli.groups import grouped
from vaulytica.cli.outbox.moments import moment
from vaulytica.cli.outbox.options import Json, Where, WhichInState, some
from vaulytica.cli.output import json_line, line, stdout_console, visible
from vaulytica.errors import WebhookConfigError
from vaulytica.outbox.delivery import Filter, Kept
from vaulytica.outbox.states import State

_LONGEST_WHY = 60


@grouped
def list_(
    where: Where,
    which: WhichInState,
    *,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Deliveries at most.")] = 50,
    after: Annotated[int, typer.Option(min=0, metavar="ID", help="Only behind this one.")] = 0,
    json: Json = False,
) -> int:
    """List deliveries, the oldest first: a batch of events for one destination each."""
    with where.opened() as outbox:
        wanted = which.filter(outbox, which.states())
        found = outbox.browse(wanted, after=after, most=limit + 1)
    shown = found[:limit]
    if json:
        for kept in shown:
            json_line(_as_json(kept))
        return 0
    _table(shown)
    if len(found) > limit:
        line(f"… and more: --after {shown[-1].id}")
    return 0


@grouped
def show(
    where: Where,
    id: Annotated[str, typer.Argument(metavar="ID", help="A delivery's number, or an event's id.")],
    json: Json = False,
) -> int:
    """Show a delivery with its attempts and events; or all deliveries that hold an event."""
    with where.opened() as outbox:
        if id.isdecimal():
            which = Filter(ids=(int(id),))
        else:
            which = Filter(grep=f'"id":{re.escape(json_module.dumps(id))}')
        found = outbox.browse(which, most=1000, bodies=True)
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
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("id", "destination", "state", "events", "kept", "attempts", "last attempt"):
        table.add_column(name, justify="right" if name in ("id", "events", "attempts") else "left")
    for kept in found:
        why = kept.tried[-1].text if kept.tried else ""
        why = why if len(why) <= _LONGEST_WHY else f"{why[:_LONGEST_WHY]}…"
        numbers = str(kept.id), visible(kept.destination), kept.state, str(kept.events)
        table.add_row(*numbers, moment(kept.kept), str(kept.attempts), visible(why))
    stdout_console().print(table)


def _show(kept: Kept) -> None:
    line(f"delivery {kept.id} for {kept.destination}: {kept.state}, {some(kept.events, 'event')}")
    word = "since" if kept.state in (State.DEAD, State.DELIVERED) else "due"
    line(f"kept {moment(kept.kept)}, {word} {moment(kept.due)}, {some(kept.attempts, 'attempt')}")
    left = kept.attempts - len(kept.tried)
    for one in kept.tried:
        line(f"  {moment(one.at)}  {one.text}")
    if left > 0 and kept.tried:
        line(f"  … and {left} between")
    for text in kept.body.decode("utf-8", "replace").splitlines():
        line(text)
    line()
