"""What the commands on an outbox share: which outbox, which deliveries, and how these are named."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from vaulytica.errors import WebhookConfigError, WebhookEventError, did_you_mean
from vaulytica.outbox.delivery import Filter
from vaulytica.outbox.states import PENDING, State

if TYPE_CHECKING:
    from vaulytica.outbox.sqlite import SqliteOutbox

_SPAN = re.compile(r"(\d+)([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_STATES = ", ".join(["pending", *State])

Url = Annotated[
    str,
    typer.Option(
        "--outbox",
        metavar="URL",
        envvar="VAULYTICA_OUTBOX",
        help="Such as sqlite:///var/lib/vaulytica/outbox.db.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]
States = Annotated[
    list[str] | None, typer.Option("--state", metavar="S", help=f"Of {_STATES}. May be repeated.")
]
Destinations = Annotated[
    list[str] | None,
    typer.Option("--destination", metavar="NAME", help="Only for it. May be repeated."),
]
Since = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Kept then or later: RFC 3339, or a span ago such as 2h."),
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Kept then or earlier.")]
Grep = Annotated[
    str | None,
    typer.Option(metavar="REGEX", help="Only events whose line of JSON has a match."),
]
Ids = Annotated[list[int] | None, typer.Argument(metavar="[ID]...", help="Only these deliveries.")]


@contextmanager
def opened(url: str) -> Iterator[SqliteOutbox]:
    """The outbox, which must be there."""
    from vaulytica.outbox import open_outbox

    with open_outbox(url, create=False) as outbox:
        yield outbox


def filter_of(
    outbox: SqliteOutbox,
    *,
    states: list[str] | None = None,
    destinations: list[str] | None = None,
    since: str | None = None,
    until: str | None = None,
    grep: str | None = None,
    ids: list[int] | None = None,
) -> Filter:
    """What the options say; a destination that the outbox has never had is refused."""
    known = outbox.counts()
    for name in destinations or ():
        if name not in known:
            had = ", ".join(known) or "none"
            raise WebhookConfigError(
                f"the outbox has no destination {name!r}; it has {had}{did_you_mean(name, known)}"
            )
    return Filter(
        states=tuple(state for name in states or () for state in _states(name)),
        destinations=tuple(destinations or ()),
        since=None if since is None else _moment(since, "--since"),
        until=None if until is None else _moment(until, "--until"),
        grep=grep,
        ids=tuple(ids or ()),
    )


def _states(name: str) -> tuple[State, ...]:
    if name == "pending":
        return PENDING
    try:
        return (State(name),)
    except ValueError:
        near = did_you_mean(name, ["pending", *State])
        raise WebhookConfigError(f"--state: unknown {name!r}; known are {_STATES}{near}") from None


def _moment(text: str, option: str) -> float:
    from vaulytica.events import parse_timestamp

    if span := _SPAN.fullmatch(text):
        return time.time() - int(span[1]) * _SECONDS[span[2]]
    try:
        return parse_timestamp(text).timestamp()
    except WebhookEventError as error:
        raise WebhookConfigError(f"{option}: {error}; or a span ago: 30m, 2h, 7d") from None


def moment(seconds: float) -> str:
    """For people and programs: RFC 3339, to the second."""
    return datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z")


def span(seconds: float | None) -> str:
    """For people: in the largest unit that fits."""
    if seconds is None:
        return "–"
    for unit in ("d", "h", "m"):
        if seconds >= 2 * _SECONDS[unit]:
            return f"{seconds / _SECONDS[unit]:.0f} {unit}"
    return f"{seconds:.0f} s"


def some(count: int, what: str) -> str:
    """A count in words: 1 event, 2 events; 1 delivery, 2 deliveries."""
    many = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    return f"{count} {what if count == 1 else many}"
