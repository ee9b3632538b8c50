"""Claiming: what is due goes to one worker, until its lease ends. Costs the same however much waits."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import msgspec

from vaulytica.outbox.delivery import Delivery, Tried
from vaulytica.outbox.sqlite.checksum import is_as_it_was_put
from vaulytica.outbox.sqlite.session import Session
from vaulytica.outbox.states import State

_UNREADABLE = Tried(0.0, "the attempts before cannot be read: see vaulytica outbox audit")
_decode_tried = msgspec.json.Decoder(tuple[Tried, ...]).decode


def tried_of(blob: bytes | None) -> tuple[Tried, ...]:
    """The attempts as the file has them. What cannot be read of them must hold up nothing."""
    found = read_tried(blob) if blob else ()
    return (_UNREADABLE,) if found is None else found


def read_tried(blob: bytes) -> tuple[Tried, ...] | None:
    """The same; None if they cannot be read."""
    try:
        return _decode_tried(blob)
    except (msgspec.MsgspecError, TypeError, UnicodeDecodeError):
        return None


def claim(
    session: Session,
    destination: str,
    events: int,
    lease: float,
    *,
    only: State | None,
    together: int,
) -> list[Delivery]:
    """The first that are due, of so many events in all, but one at least; nothing if it is paused.

    See `Outbox.claim`.
    """
    number = session.known_destination(destination)
    if number is None:
        return []
    session.sweep(number)
    if session.execute("is_paused", destination=number).fetchone() is not None:
        return []
    now = session.now()
    states = (State.FRESH, State.DEFERRED) if only is None else (only,)
    due = [
        row
        for state in states
        for row in session.execute("due", destination=number, state=state, now=now, most=events)
    ]
    token = secrets.randbits(62)
    claimed: list[Delivery] = []
    left = events
    until = now + round(lease * 1000)

    def take(id: int) -> Delivery:
        session.execute("claim", id=id, token=token, lease=until, owned=int(session.owned))
        claimed.append(_read(session, id, destination, token, now))
        return claimed[-1]

    for _, id, count, key in sorted(due, key=_place):
        if claimed and count > left:
            break
        if key is not None and _is_behind(session, number, key, id):
            continue
        first = take(id)
        left -= count
        if key is not None:
            for behind, more in _followers(session, number, first, min(left, together - count)):
                take(behind)
                left -= more
    return claimed


def _place(row: tuple[int, int, int, str | None]) -> tuple[int, int]:
    return row[0], row[1]


def _is_behind(session: Session, destination: int, key: str, id: int) -> bool:
    """Whether another of its key has to go first; then it is held, as after a lease of both ran out."""
    values = {"destination": destination, "key": key, "id": id}
    if session.execute("has_free_before", **values).fetchone() is None:
        return False
    session.execute("hold", id=id)
    return True


def _followers(
    session: Session, destination: int, first: Delivery, events: int
) -> list[tuple[int, int]]:
    """Those held right behind it, of the same past, of so many events at most: id and events of each."""
    found: list[tuple[int, int]] = []
    values = {"destination": destination, "key": first.key, "id": first.id}
    # One that was claimed, too, when a lease ran out, is not held yet: none may overtake it.
    if events <= 0 or session.execute("has_free_behind", **values).fetchone() is not None:
        return found
    rows = session.execute("held_next", **values)
    for id, count, attempts, charged, excused in rows:
        past = attempts > 0, charged, excused is None
        if count > events or past != (first.attempts > 0, first.charged, first.excused is None):
            break
        found.append((id, count))
        events -= count
    return found


def _read(session: Session, id: int, destination: str, token: int, now: int) -> Delivery:
    row = session.execute("claimed", id=id).fetchone()
    id, events, body, crc, attempts, charged, kept, excused, key, tried = row
    return Delivery(
        id=id,
        destination=destination,
        events=events,
        body=body if is_as_it_was_put(body, crc) else b"",
        token=token,
        attempts=attempts,
        charged=charged,
        age=max(0, now - kept) / 1000,
        excused=None if excused is None else max(0, now - excused) / 1000,
        key=key,
        tried=tried_of(tried),
    )


def extend(session: Session, deliveries: Sequence[Delivery], lease: float) -> list[Delivery]:
    """Those that could not be extended, as another may have them."""
    until = session.now() + round(lease * 1000)
    return [
        delivery
        for delivery in deliveries
        if not session.execute("extend", id=delivery.id, token=delivery.token, lease=until).rowcount
    ]
