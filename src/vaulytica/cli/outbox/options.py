"""What the commands on an outbox share: which outbox, which deliveries, and how counts are said."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vaulytica.cli.outbox.moments import moment_of
from vaulytica.errors import WebhookConfigError
from vaulytica.outbox.delivery import Filter
from vaulytica.outbox.states import PENDING, State

if TYPE_CHECKING:
    from vaulytica.outbox.sqlite import SqliteOutbox

_STATES = ", ".join(["pending", *State])
_ENVIRONMENT = "VAULYTICA_OUTBOX"

Json = Annotated[bool, typer.Option("--json", help="As JSON.")]


@dataclass(kw_only=True)
class Where:
    """Which outbox: its URL, or the config of the relay whose it is, or the environment's."""

    outbox: Annotated[
        str | None,
        typer.Option(
            "--outbox",
            metavar="URL",
            help=f"Such as sqlite:///var/lib/vaulytica/outbox.db, or its path; or in {_ENVIRONMENT}.",
            show_default=False,
        ),
    ] = None
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="The relay's, which names its outbox."),
    ] = None

    @property
    def url(self) -> str:
        """Its URL; a path stands for that of the file."""
        if self.outbox is not None and self.config is not None:
            raise WebhookConfigError("give either --outbox, or --config")
        if self.config is not None:
            return _named_by(self.config)
        url = self.outbox or os.environ.get(_ENVIRONMENT)
        if not url:
            raise WebhookConfigError(
                f"which outbox? give --outbox URL, the relay's --config FILE, or set {_ENVIRONMENT}"
            )
        if "://" in url or url.startswith(("sqlite:", "file:")):  # no path, but a slip
            return url
        return f"sqlite:///{str(Path(url).absolute()).lstrip('/')}"

    @contextmanager
    def opened(self, *, look_only: bool = False) -> Iterator[SqliteOutbox]:
        """The outbox, which must be there; only to be looked at, it may be on a disk that is read-only."""
        from vaulytica.outbox import open_outbox

        with open_outbox(self.url, create=False, look_only=look_only) as outbox:
            yield outbox


@dataclass(kw_only=True)
class Which:
    """Which deliveries; each option narrows them."""

    ids: Annotated[
        list[int] | None, typer.Argument(metavar="ID", help="Only these deliveries.")
    ] = None
    destination: Annotated[
        list[str] | None,
        typer.Option("--destination", metavar="NAME", help="Only for it. May be repeated."),
    ] = None
    since: Annotated[
        str | None,
        typer.Option(
            "--since", metavar="TIME", help="Kept then or later: 2h, yesterday, 2025-10-29…"
        ),
    ] = None
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Kept then or earlier.")
    ] = None
    grep: Annotated[
        str | None,
        typer.Option("--grep", metavar="REGEX", help="Only events with a match in a value."),
    ] = None
    where: Annotated[
        str | None,
        typer.Option(
            "--where", metavar="JMESPATH", help='Only events for which it holds: "data.n > `3`".'
        ),
    ] = None

    def filter(self, outbox: SqliteOutbox, states: tuple[State, ...]) -> Filter:
        """Those of these states; a destination that the outbox has never had is refused."""
        known = outbox.counts()
        for name in self.destination or ():
            check_known(name, known)
        now = outbox.now()
        return Filter(
            states=states,
            destinations=tuple(self.destination or ()),
            since=None if self.since is None else moment_of(self.since, "--since", now),
            until=None if self.until is None else moment_of(self.until, "--until", now),
            grep=self.grep,
            where=self.where,
            ids=tuple(self.ids or ()),
        )


@dataclass(kw_only=True)
class WhichInState(Which):
    """The same, and in which state."""

    state: Annotated[
        list[str] | None,
        typer.Option("--state", metavar="S", help=f"Of {_STATES}. May be repeated."),
    ] = None

    def states(self, default: tuple[State, ...] = ()) -> tuple[State, ...]:
        """What was asked for; the default if nothing was."""
        if not self.state:
            return default
        return tuple(state for name in self.state for state in _states(name))


def _named_by(path: Path) -> str:
    """The outbox that a relay's config names; what else is in it may be wrong, or have no secrets here."""
    from vaulytica.cli.config_files.document import Document
    from vaulytica.cli.credentials.references import outbox_url

    document = Document(path)
    given = document.parsed.get("outbox")
    if not isinstance(given, str):
        raise document.error("has no outbox; a relay's config names one", ("outbox",))
    try:
        return outbox_url(given, path.parent)
    except WebhookConfigError as error:
        raise document.error(str(error), ("outbox",)) from None


def check_known(name: str, known: Iterable[str]) -> None:
    """Refuse a destination that the outbox has never had."""
    if name not in known:
        had = ", ".join(known) or "none"
        raise WebhookConfigError(f"the outbox has no destination {name!r}; it has {had}")


def _states(name: str) -> tuple[State, ...]:
    if name == "pending":
        return PENDING
    try:
        return (State(name),)
    except ValueError:
        raise WebhookConfigError(f"--state: unknown {name!r}; known are {_STATES}") from None


def some(count: int, what: str) -> str:
    """A count in words: 1 event, 2 events; 1 delivery, 2 deliveries."""
    many = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    return f"{count} {what if count == 1 else many}"
