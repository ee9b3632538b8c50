"""Settling: what became of a claim, written in one step with the counters, if the claim still holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from vaulytica.outbox.delivery import Delivery, Part, Tried, Verdict, bounded
from vaulytica.outbox.sqlite.claiming import tried_of
from vaulytica.outbox.sqlite.putting import add_batch
from vaulytica.outbox.sqlite.session import Session
from vaulytica.outbox.states import State

MOVED = ("replayed", "buried", "dropped", "purged", "gone")  # what `count_moved` counts
_ORDER = {State.DEFERRED: 0, State.DEAD: 1, State.DELIVERED: 2}
_encode = msgspec.json.Encoder().encode


class Row(msgspec.Struct):
    """A delivery as it stands in the file; `id` 0 for one that is to be split off."""

    id: int
    destination: int
    batch: int
    events: int
    severity: int
    kept: int
    due: int
    attempts: int
    key: str | None
    tried: bytes | None


def settle(session: Session, verdicts: Sequence[Verdict]) -> list[Delivery]:
    """Those whose claim had run out: nothing is written of them."""
    lost: list[Delivery] = []
    counted: dict[int, Counter[State]] = {}  # by destination
    for verdict in verdicts:
        delivery = verdict.delivery
        found = session.execute("held_claim", id=delivery.id, token=delivery.token).fetchone()
        if found is None:
            lost.append(delivery)
            continue
        row = Row(delivery.id, *found)
        parts, body = verdict.parts, delivery.body
        if row.events < delivery.events:  # the last ones were shed meanwhile
            parts = tuple(_of_first(part, row.events) for part in parts)
            body = b"\n".join(body.split(b"\n", row.events)[: row.events])
        counts = _settle_one(session, row, parts, body)
        counted.setdefault(row.destination, Counter()).update(counts)
    for destination, counts in counted.items():
        delivered = counts[State.DELIVERED]
        session.execute(
            "count_settled",
            destination=destination,
            delivered=delivered,
            buried=counts[State.DEAD],
            gone=delivered if session.retention is None else 0,
        )
    return lost


def _settle_one(session: Session, row: Row, parts: Sequence[Part], body: bytes) -> Counter[State]:
    """How many events came to be what."""
    counts: Counter[State] = Counter()
    if len(parts) == 1 and parts[0].lines is None:
        counts[parts[0].state] = row.events
        _write(session, row, parts[0])
    else:
        # The row itself becomes the first of these, so that what is put back keeps its place.
        ordered = sorted(parts, key=lambda part: _ORDER[part.state])
        for part, rest in split(session, row, ordered, body):
            counts[part.state] += rest.events
            _write(session, rest, part)
    if row.key is not None and not counts[State.DEFERRED]:
        free_next(session, row.destination, row.key)
    return counts


def _of_first(part: Part, events: int) -> Part:
    """What of the part is about the first so many events."""
    if part.lines is None:
        return part
    return replace(part, lines=[place for place in part.lines if place < events])


def split(session: Session, row: Row, parts: Sequence[Part], body: bytes) -> list[tuple[Part, Row]]:
    """A row for each part, with a batch of its own; the first keeps the number."""
    lines = body.removesuffix(b"\n").split(b"\n")
    places = [place for part in parts for place in part.lines or ()]
    if sorted(places) != list(range(row.events)) or len(lines) != row.events:
        raise ValueError(f"the parts of delivery {row.id} are not its {row.events} events")
    rows: list[tuple[Part, Row]] = []
    for part in parts:
        places = list(part.lines or ())
        if not places:
            continue
        text = b"".join([lines[place] + b"\n" for place in places])
        batch = add_batch(session, text, len(places), [row.destination], row.kept)
        rest = replace(row, batch=batch, events=len(places))
        if rows:
            rest.id = _copy(session, rest)
        else:
            session.execute("rebody", id=row.id, batch=batch, events=rest.events)
        rows.append((part, rest))
    release(session, row.batch)
    return rows


def _copy(session: Session, row: Row) -> int:
    """The number of a new delivery like it, in no state yet."""
    cursor = session.execute(
        "put_delivery",
        destination=row.destination,
        batch=row.batch,
        events=row.events,
        severity=row.severity,
        state=State.CLAIMED,
        kept=row.kept,
        due=row.due,
        attempts=row.attempts,
        key=row.key,
        tried=row.tried,
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def _write(session: Session, row: Row, part: Part) -> None:
    now = session.now()
    attempts = row.attempts + part.attempts
    if part.state is State.DELIVERED:
        if session.retention is None:
            remove(session, row.id, row.batch)
        else:
            session.execute("keep_delivered", id=row.id, now=now, attempts=attempts)
            if session.retained is not None:
                session.retained += share_of(session, row.batch)
        return
    tried = _tried(session, row, part.tried) if part.tried else row.tried
    if part.state is State.DEAD:
        session.execute("die", id=row.id, now=now, attempts=attempts, tried=tried)
        return
    untried = not part.attempts and not part.after
    session.execute(
        "defer",
        id=row.id,
        state=_state_of_deferred(session, row, attempts),
        due=row.due if untried else now + round(part.after * 1000),
        attempts=attempts,
        charged=part.charged,
        excused=None if part.excused is None else now - round(part.excused * 1000),
        tried=tried,
    )


def _tried(session: Session, row: Row, made: Sequence[Tried]) -> bytes:
    """All attempts, these ones included, as they are kept: at times by the outbox's clock."""
    stamped = [replace(one, at=session.clock.of(one.at, row.kept)) for one in made]
    return _encode(bounded((*tried_of(row.tried), *stamped)))


def _state_of_deferred(session: Session, row: Row, attempts: int) -> State:
    if row.key is not None:
        values = {"destination": row.destination, "key": row.key, "id": row.id}
        if session.execute("has_free_before", **values).fetchone() is not None:
            return State.HELD
    return State.DEFERRED if attempts else State.FRESH


def share_of(session: Session, batch: int) -> int:
    """The bytes of a batch that each of the deliveries has that it was made for."""
    found = session.execute("share", batch=batch).fetchone()
    return int(found[0]) if found is not None else 0


def remove(session: Session, id: int, batch: int) -> None:
    """The delivery, and its batch if it was the last that has it."""
    session.execute("remove", id=id)
    release(session, batch)


def release(session: Session, batch: int) -> None:
    """One delivery less has the batch."""
    if not session.execute("remove_batch", batch=batch).rowcount:  # others have it, too
        session.execute("release_batch", batch=batch)


def free_next(session: Session, destination: int, key: str) -> None:
    """Let the next of a key be claimed, if nothing of it is before that."""
    if session.execute("has_free_of_key", destination=destination, key=key).fetchone() is None:
        session.execute("free_next_of_key", destination=destination, key=key)
