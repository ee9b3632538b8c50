"""Pausing: destinations to which nothing is to be sent until somebody resumes them. It stands in the file."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from vaulytica.outbox.delivery import Pause
from vaulytica.outbox.sqlite.session import Session

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Pause).decode
_UNREADABLE = Pause(0.0, "why cannot be read")


def pause(session: Session, destination: str, why: str, *, by_hand: bool) -> Pause:
    """Let nothing of it be claimed any more; what is claimed stays so."""
    made = Pause(session.now() / 1000, why, by_hand)
    number = session.destination(destination)
    session.execute("pause", destination=number, pause=_encode(made).decode())
    return made


def resume(session: Session, destinations: Collection[str], *, by_hand: bool | None) -> list[str]:
    """Those that were paused, and are not any more; `by_hand`: only those paused so, or not so."""
    found = paused(session)
    resumed = [
        name for name in destinations if name in found and by_hand in (None, found[name].by_hand)
    ]
    for name in resumed:
        session.execute("pause", destination=session.destination(name), pause=None)
    session.puts.update(resumed)
    return resumed


def paused(session: Session) -> dict[str, Pause]:
    """The destinations that are paused, by name."""
    return {name: _pause_of(text) for name, text in session.execute("paused").fetchall()}


def _pause_of(text: str) -> Pause:
    try:
        return _decode(text)
    except msgspec.MsgspecError:
        return _UNREADABLE
