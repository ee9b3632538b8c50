"""Putting: events into the file. What is put at the same time for the same destinations becomes one batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from vaulytica.errors import IdempotencyConflictError
from vaulytica.outbox.delivery import Mark, Once, Receipt, Share
from vaulytica.outbox.sqlite.checksum import checksum
from vaulytica.outbox.sqlite.commit import Op
from vaulytica.outbox.sqlite.session import Session
from vaulytica.outbox.states import State

_SHOWN = 64  # characters of a key
_MOST_EVENTS, _MOST_BYTES = 1000, 1024 * 1024  # of a batch that is put together here


class Put(Op[Receipt]):
    """A put that waits for its transaction."""

    __slots__ = ("ids", "mark", "once", "remember", "shares")

    def __init__(
        self,
        shares: Sequence[Share],
        ids: Sequence[str],
        *,
        once: Once | None,
        mark: Mark | None,
        remember: float,
    ) -> None:
        # A method of its own would be a cycle, by which bodies stayed in memory.
        super().__init__(_with_others)
        self.shares, self.ids = shares, ids
        self.once, self.mark, self.remember = once, mark, remember


def _with_others(session: Session) -> Receipt:
    raise NotImplementedError("puts are made by put_all")


def put_all(session: Session, puts: Sequence[Put]) -> None:
    """Keep them all, in order, those that share destinations and severity together."""
    together: dict[object, list[Share]] = {}
    for put in puts:
        shares = put.shares if _is_new(session, put) else ()
        if put.error is not None:
            continue
        if put.mark is not None:
            session.execute("mark", source=put.mark.source, position=put.mark.position)
        for share in shares:
            if len(share.parcel):
                alike = (share.destinations, share.parcel.severity)
                together.setdefault(alike if share.key is None else id(share), []).append(share)
    accepted: Counter[int] = Counter()  # by destination
    for some in together.values():
        for group in _cut(some):
            body = b"".join([share.parcel.body for share in group])
            events = sum([len(share.parcel) for share in group])
            accepted.update(dict.fromkeys(_insert(session, body, events, group[0]), events))
    for destination, events in accepted.items():
        session.execute("count_accepted", destination=destination, events=events)


def _is_new(session: Session, put: Put) -> bool:
    """Whether it is to be kept; in either case, what it is told."""
    once = put.once
    if once is not None:
        now = session.now()
        found = session.execute("idempotent", key=once.key, now=now).fetchone()
        if found is not None:
            ids, digest = found
            if digest in (once.digest, ""):  # versions that kept none took it for the same
                put.succeed(Receipt(tuple(ids.splitlines()), repeated=True))
            else:
                put.fail(_conflict(once.key))
            return False
        expires = now + round(put.remember * 1000)
        kept = "\n".join(put.ids)
        session.execute("remember_key", key=once.key, ids=kept, digest=once.digest, expires=expires)
    put.succeed(Receipt(put.ids))
    return True


def _conflict(key: str) -> IdempotencyConflictError:
    shown = key if len(key) <= _SHOWN else f"{key[: _SHOWN - 1]}…"
    return IdempotencyConflictError(
        f"the idempotency key {shown!r} was used before, for other events, destinations or order; nothing "
        "of this put is kept: give what was given then, or use a key of its own"
    )


def _cut(shares: list[Share]) -> list[list[Share]]:
    """Into groups that are not too large."""
    groups: list[list[Share]] = []
    events = size = 0
    for share in shares:
        events += len(share.parcel)
        size += len(share.parcel.body)
        if not groups or events > _MOST_EVENTS or size > _MOST_BYTES:
            groups.append([])
            events, size = len(share.parcel), len(share.parcel.body)
        groups[-1].append(share)
    return groups


def _insert(session: Session, body: bytes, events: int, like: Share) -> list[int]:
    """One batch, and a delivery for each destination; the numbers of these."""
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
    session.puts.update(like.destinations)
    return ids


def add_batch(
    session: Session, body: bytes, events: int, destinations: Sequence[int], kept: int
) -> int:
    """The number of a new batch."""
    bound = " ".join(map(str, destinations))
    cursor = session.execute(
        "put_batch",
        kept=kept,
        events=events,
        refs=len(destinations),
        bound=bound,
        body=body,
        crc=checksum(body),
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


def has_pending_of_key(session: Session, destination: int, key: str, but: int = 0) -> bool:
    """Whether anything of the key is still to be delivered, `but` for that delivery."""
    values = {"destination": destination, "key": key, "id": but}
    found = session.execute("has_pending_of_key", **values).fetchone()
    return found is not None
