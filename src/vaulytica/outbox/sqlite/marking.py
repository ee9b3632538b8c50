"""Marks: how far sources have been read."""

from __future__ import annotations

from collections.abc import Sequence

from vaulytica.outbox.sqlite.session import Session

_LAST = "\U0010ffff"  # no name goes on with it


def marks(session: Session, prefix: str) -> dict[str, str]:
    """The position of each source whose name begins with the prefix."""
    return dict(session.execute("marks", first=prefix, last=prefix + _LAST).fetchall())


def forget(session: Session, sources: Sequence[str]) -> None:
    """Have no marks of them any more."""
    for source in sources:
        session.execute("forget_mark", source=source)
