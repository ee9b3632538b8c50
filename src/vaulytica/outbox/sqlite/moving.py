"""Moving many: what people do to deliveries that no worker holds, step by step, each step whole."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from vaulytica.errors import OutboxDamagedError
from vaulytica.outbox.delivery import Filter, Kept, Moved, Part, Tried, bounded
from vaulytica.outbox.matching import matching
from vaulytica.outbox.sqlite.checksum import is_as_it_was_put
from vaulytica.outbox.sqlite.claiming import tried_of
from vaulytica.outbox.sqlite.putting import has_pending_of_key
from vaulytica.outbox.sqlite.queries import SQL
from vaulytica.outbox.sqlite.session import Session
from vaulytica.outbox.sqlite.settling import MOVED, Row, free_next, remove, split
from vaulytica.outbox.states import State, Step, sources

_STEPS = (Step.REPLAY, Step.BURY, Step.DROP, Step.PURGE)
_PAGE = 256  # deliveries looked at in one go
_encode = msgspec.json.Encoder().encode


def move(
    session: Session, step: Step, which: Filter, after: int, most: int, *, events: int | None
) -> Moved:
    """Move the next `most` that fit, of so many `events` at most; see `Outbox.move`."""
    assert step in _STEPS
    possible = tuple(state for state in sources(step) if state is not State.CLAIMED)
    states = tuple(state for state in which.states or possible if state in possible)
    if not states:
        return Moved(0, None)
    fitting = msgspec.structs.replace(which, states=states)
    moved, last = 0, None
    for last, state, lines in _fitting(session, fitting, after, most):
        row = Row(last, *session.execute("row", id=last).fetchone())
        places = range(row.events) if lines is None else lines
        if not places:
            continue
        some = places if events is None else places[: events - moved]
        if len(some) < row.events and (lines is not None or _is_whole(session, row)):
            row = _parted(session, row, state, some)
        _step(session, step, state, row)
        moved += row.events
        if events is not None and moved >= events:
            return Moved(moved, last if len(some) == len(places) else last - 1)
    return Moved(moved, last)


def _parted(session: Session, row: Row, state: State, places: Sequence[int]) -> Row:
    """These events of it as a delivery of their own; the others keep the number."""
    others = sorted(set(range(row.events)) - set(places))
    parts = [Part(state=state, lines=lines) for lines in (others, places)]
    body, crc = session.execute("body", batch=row.batch).fetchone()
    if not is_as_it_was_put(body, crc):
        raise OutboxDamagedError(
            f"delivery {row.id} is not what was put, and is not divided: see vaulytica outbox audit"
        )
    return split(session, row, parts, bytes(body))[1][1]


def _is_whole(session: Session, row: Row) -> bool:
    body, crc = session.execute("body", batch=row.batch).fetchone()
    return is_as_it_was_put(body, crc)


def _step(session: Session, step: Step, state: State, row: Row) -> None:
    counted = dict.fromkeys(MOVED, 0)
    if step is Step.REPLAY:
        held = row.key is not None and has_pending_of_key(session, row.destination, row.key, row.id)
        to = State.HELD if held else State.FRESH
        session.execute("replay", id=row.id, state=to, now=session.now())
        counted["replayed"] = row.events
        (name,) = session.execute("name", destination=row.destination).fetchone()
        session.puts.add(name)
    elif step is Step.BURY:
        now = session.now()
        tried = (*tried_of(row.tried), Tried(now / 1000, "given up on by hand", "buried"))
        session.execute("bury", id=row.id, now=now, tried=_encode(bounded(tried)))
        counted["buried"] = row.events
    else:
        remove(session, row.id, row.batch)
        if step is Step.DROP:
            counted["dropped"] = row.events
        else:
            session.retained = None
            counted["purged" if state is State.DEAD else "gone"] = row.events
    session.execute("count_moved", destination=row.destination, **counted)
    if row.key is not None and step in (Step.BURY, Step.DROP):
        free_next(session, row.destination, row.key)


def browse(session: Session, which: Filter, after: int, most: int, bodies: bool) -> list[Kept]:
    """The next that fit; see `Outbox.browse`. Of a delivery only the events that are meant."""
    meant = matching(which)
    kept: list[Kept] = []
    wants_bodies = bodies or meant is not None
    for row in _select(session, which, after, most, bodies=wants_bodies, scan=meant is not None):
        id, destination, state, events, since, due, attempts, key, tried, body = row
        if meant is not None:
            lines = meant(body)
            if not lines:
                continue
            whole = body.removesuffix(b"\n").split(b"\n")
            events, body = len(lines), b"".join([whole[place] + b"\n" for place in lines])
        kept.append(
            Kept(
                id=id,
                destination=destination,
                state=State(state),
                events=events,
                kept=since / 1000,
                due=due / 1000,
                attempts=attempts,
                key=key,
                tried=tried_of(tried),
                body=body if bodies else b"",
            )
        )
        if len(kept) >= most:
            break
    return kept


def _fitting(
    session: Session, which: Filter, after: int, most: int
) -> Iterator[tuple[int, State, list[int] | None]]:
    """The next that fit but for what is in them: id, state, and the positions of what is meant, None for all."""
    meant = matching(which)
    rows = _select(session, which, after, most, bodies=meant is not None, scan=False).fetchall()
    for id, _, state, *_, body in rows:
        yield id, State(state), None if meant is None else meant(body)


def total(session: Session, which: Filter) -> tuple[int, int]:
    """How many deliveries fit, and their events."""
    if matching(which) is None:
        clauses, values = _clauses(which, 0)
        text = " ".join((SQL["total"], "WHERE", " AND ".join(clauses)))
        found: tuple[int, int] = session.connection.execute(text, values).fetchone()
        return found
    deliveries = events = after = 0
    while page := browse(session, which, after, _PAGE, bodies=False):
        deliveries += len(page)
        events += sum(kept.events for kept in page)
        after = page[-1].id
    return deliveries, events


def _select(
    session: Session, which: Filter, after: int, most: int, *, bodies: bool, scan: bool
) -> sqlite3.Cursor:
    """What fits but for what is in it. `scan`: without an end, as the reader looks for matches.

    Always by the number: an index would have all that fits sorted, for each page of it.
    """
    clauses, values = _clauses(which, after)
    begin = SQL["browse_bodies" if bodies else "browse"]
    text = " ".join((begin, "WHERE", " AND ".join(clauses), "ORDER BY d.id LIMIT ?"))
    return session.connection.execute(text, [*values, -1 if scan else most])


def _clauses(which: Filter, after: int) -> tuple[list[str], list[Any]]:
    """What a row must hold to, and the values of it."""
    clauses: list[str] = ["d.id > ?"]
    values: list[Any] = [after]
    for column, wanted in (
        ("d.state", which.states),
        ("n.name", which.destinations),
        ("d.id", which.ids),
    ):
        if wanted:
            clauses.append(f"{column} IN ({', '.join('?' * len(wanted))})")
            values += wanted
    for clause, moment in (
        ("d.kept >= ?", which.since),
        ("d.kept <= ?", which.until),
        ("d.due <= ?", which.settled_by),
    ):
        if moment is not None:
            clauses.append(clause)
            values.append(round(moment * 1000))
    return clauses, values
