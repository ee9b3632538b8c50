"""Putting: events into the file. What is put at the same time for the same destinations becomes one batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vaulytica.outbox.delivery import Receipt
from vaulytica.outbox.parcel import Parcel
from vaulytica.outbox.sqlite.commit import Op
from vaulytica.outbox.sqlite.session import Session
from vaulytica.outbox.states import State

_MOST_EVENTS, _MOST_BYTES = 1000, 1024 * 1024  # of a batch that is put together here


class Put(Op[Receipt]):
    """A put that waits for its transaction."""

    __slots__ = ("destinations", "idempotency_key", "key", "parcel", "remember")

    def __init__(
        self,
        parcel: Parcel,
        destinations: Sequence[str],
        *,
        key: str | None,
        idempotency_key: str | None,
        remember: float,
    ) -> None:
        super().__init__(self._alone)
        self.parcel, self.destinations, self.key = parcel, tuple(destinations), key
        self.idempotency_key, self.remember = idempotency_key, remember

    def _alone(self, session: Session) -> Receipt:
        put_all(session, [self])
        return self.result()


def put_all(session: Session, puts: Sequence[Put]) -> None:
    """Keep them all, in order, those that share destinations and severity together."""
    together: dict[object, list[Put]] = {}
    for put in puts:
        if _is_new(session, put):
            alike = (put.destinations, put.parcel.severity)
            together.setdefault(alike if put.key is None else id(put), []).append(put)
    for some in together.values():
        for group in _cut(some):
            first = group[0]
            body = b"".join([put.parcel.body for put in group])
            events = sum([len(put.parcel) for put in group])
            insert(session, body, events, first)


def _is_new(session: Session, put: Put) -> bool:
    """Whether it is to be kept; in either case, what it is told."""
    receipt = Receipt(put.parcel.ids)
    key = put.idempotency_key
    if key is not None:
        now = session.now()
        found = session.execute("idempotent", key=key, now=now).fetchone()
        if found is not None:
            put.succeed(Receipt(tuple(found[0].splitlines()), repeated=True))
            return False
        expires = now + round(put.remember * 1000)
        session.execute("remember_key", key=key, ids="\n".join(receipt.ids), expires=expires)
    put.succeed(receipt)
    return len(put.parcel) > 0


def _cut(puts: list[Put]) -> list[list[Put]]:
    """Into groups that are not too large."""
    groups: list[list[Put]] = []
    events = size = 0
    for put in puts:
        events += len(put.parcel)
        size += len(put.parcel.body)
        if not groups or events > _MOST_EVENTS or size > _MOST_BYTES:
            groups.append([])
            events, size = len(put.parcel), len(put.parcel.body)
        groups[-1].append(put)
    return groups


def insert(session: Session, body: bytes, events: int, like: Put) -> None:
    """One batch, and a delivery for each destination, each counted as accepted."""
    now = session.now()
    ids = [session.destination(name) for name in like.destinations]
    batch = add_batch(session, body, events, ids, now)
    for id in ids:
        add_delivery(
            session,
            destination=id,
            batch=batch,
            events=events,
            severity=like.parcel.severity,
            kept=now,
            due=now,
            key=like.key,
        )
        session.execute("count_accepted", destination=id, events=events)
    session.puts.update(like.destinations)


def add_batch(
    session: Session, body: bytes, events: int, destinations: Sequence[int], kept: int
) -> int:
    """The number of a new batch."""
    bound = " ".join(map(str, destinations))
    cursor = session.execute(
        "put_batch", kept=kept, events=events, refs=len(destinations), bound=bound, body=body
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def add_delivery(session: Session, *, key: str | None, destination: int, **values: Any) -> int:
    """The number of a new delivery, which waits behind what is pending of its key."""
    held = key is not None and has_pending_of_key(session, destination, key)
    defaults = {"state": State.HELD if held else State.FRESH, "attempts": 0, "tried": None}
    cursor = session.execute(
        "put_delivery", key=key, destination=destination, **{**defaults, **values}
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def has_pending_of_key(session: Session, destination: int, key: str) -> bool:
    """Whether anything of the key is still to be delivered."""
    found = session.execute("has_pending_of_key", destination=destination, key=key).fetchone()
    return found is not None
