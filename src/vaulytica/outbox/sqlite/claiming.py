"""Claiming: what is due goes to one worker, until its lease ends. Costs the same however much waits."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Sequence

import msgspec

from vaulytica.outbox.delivery import Delivery, Tried
from vaulytica.outbox.sqlite.checksum import is_as_it_was_put
from vaulytica.outbox.sqlite.errors import is_damage
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

    Raises `PassedOver`, to be called again, if one cannot be read, as the file is damaged there. See
    `Outbox.claim`.
    """
    number = session.known_destination(destination)
    if number is None:
        return []
    session.sweep(number)
    now = session.now()
    passed = session.unreadable.of(destination)
    token = secrets.randbits(62)
    claimed: list[Delivery] = []
    left = events
    until = now + round(lease * 1000)

    def take(id: int) -> Delivery | None:
        delivery = _read(session, id, destination, token, now)
        if delivery is not None:
            values = {"id": id, "token": token, "lease": until, "owned": int(session.owned)}
            session.execute_if_readable("claim", **values)
            claimed.append(delivery)
        return delivery

    for _, id, count, key in _due(session, number, only, now, events + 2 * len(passed)):
        if claimed and count > left:
            break
        if id in passed or _is_behind(session, number, key, id):
            continue
        if (first := take(id)) is None:
            continue
        left -= count
        for behind, more in _followers(session, number, first, min(left, together - count)):
            if take(behind) is None:
                break  # nothing of its key may overtake it
            left -= more
    session.check_readable()
    return claimed


def _due(
    session: Session, destination: int, only: State | None, now: int, most: int
) -> list[tuple[int, int, int, str | None]]:
    """Due, id, events and key of the first, in their order; nothing if it is paused."""
    if session.execute("is_paused", destination=destination).fetchone() is not None:
        return []
    states = (State.FRESH, State.DEFERRED) if only is None else (only,)
    values = {"destination": destination, "now": now, "most": most}
    rows = [row for state in states for row in session.execute("due", state=state, **values)]
    return sorted(rows, key=_place)


def _place(row: tuple[int, int, int, str | None]) -> tuple[int, int]:
    return row[0], row[1]


def _is_behind(session: Session, destination: int, key: str | None, id: int) -> bool:
    """Whether another of its key has to go first; then it is held, as after a lease of both ran out."""
    if key is None:
        return False
    values = {"destination": destination, "key": key, "id": id}
    if session.execute("has_free_before", **values).fetchone() is None:
        return False
    session.execute_if_readable("hold", id=id)
    return True


def _followers(
    session: Session, destination: int, first: Delivery, events: int
) -> list[tuple[int, int]]:
    """Those held right behind it, of the same past, of so many events at most: id and events of each."""
    found: list[tuple[int, int]] = []
    if events <= 0 or first.key is None:
        return found
    values = {"destination": destination, "key": first.key, "id": first.id}
    # One that was claimed, too, when a lease ran out, is not held yet: none may overtake it.
    if session.execute("has_free_behind", **values).fetchone() is not None:
        return found
    rows = session.execute("held_next", **values)
    for id, count, attempts, charged, excused in rows:
        past = attempts > 0, charged, excused is None
        if count > events or past != (first.attempts > 0, first.charged, first.excused is None):
            break
        found.append((id, count))
        events -= count
    return found


def _read(session: Session, id: int, destination: str, token: int, now: int) -> Delivery | None:
    """The delivery; or None, and it will be passed over, if it cannot be read."""
    row, why = None, f"the events of delivery {id} are missing"
    try:
        row = session.execute("claimed", id=id).fetchone()
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        why = str(error)
    if row is None:
        session.pass_over(destination, id, why)
        return None
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
