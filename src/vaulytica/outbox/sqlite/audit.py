"""Audit: whether the counters, which are the promise, and the rows, which are the events, say the same.

Each problem is one line, that says what to do.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import islice

from vaulytica.outbox.delivery import Audit
from vaulytica.outbox.sqlite.checksum import is_as_it_was_put
from vaulytica.outbox.sqlite.claiming import read_tried
from vaulytica.outbox.sqlite.counting import counts
from vaulytica.outbox.sqlite.errors import SENSELESS
from vaulytica.outbox.sqlite.queries import SQL
from vaulytica.outbox.sqlite.session import Session
from vaulytica.outbox.states import PENDING, State

_MOST = 20  # problems that are listed of one kind
_RECOVER = "save what is there into a new file: vaulytica outbox recover"
_ROWS = (
    ("strange_deliveries", "delivery {}: what is written there of its state cannot be"),
    ("of_nobody", "delivery {}: the destination that it is for is not known"),
    ("without_batch", "delivery {}: its events are missing"),
    ("without_delivery", "batch {}: no delivery has it"),
    ("odd_refs", "batch {}: the deliveries that have it are miscounted"),
    ("odd_events", "delivery {}: its batch has another number of events"),
)


def audit(session: Session) -> Audit:
    """All of it, as it stood at one moment, whatever others write meanwhile."""
    session.connection.execute("BEGIN")
    try:
        counted = counts(session)
        problems = [f"{what}; {_RECOVER}" for what in _to_recover(session)]
        return Audit(counted, [*problems, *_held_by_nobody(session)])
    finally:
        session.connection.execute("COMMIT")


def first_problem(session: Session) -> str | None:
    """What is wrong with the rows, after one was met that makes no sense; None if the fault is not theirs."""
    if session.senseless is None:
        session.connection.execute("BEGIN")
        try:
            session.senseless = next(_to_recover(session), None)
        except (sqlite3.Error, *SENSELESS):
            session.senseless = "its rows are not as they were written"
        finally:
            session.connection.execute("ROLLBACK")  # to commit is refused after some errors
    return session.senseless


def _to_recover(session: Session) -> Iterator[str]:
    yield from _of_the_law(session)
    for name, words in _ROWS:
        for (id,) in session.execute(name, most=_MOST):
            yield words.format(id)
    yield from islice(_of_the_bodies(session), _MOST)
    yield from islice(_of_the_tries(session), _MOST)
    yield from _of_the_file(session)


def _of_the_law(session: Session) -> Iterator[str]:
    """Each counter against what is on disk, and against the proof kept beside it."""
    on_disk: dict[str, dict[str, int]] = {}
    for name, state, events in session.execute("sums"):
        on_disk.setdefault(name, {})[state] = events
    counted = counts(session)
    for name, kept, is_proven in session.execute("checks"):
        found, here = counted[name], on_disk.get(name, {})
        dead, pending = here.get(State.DEAD, 0), sum(here.get(state, 0) for state in PENDING)
        delivered = here.get(State.DELIVERED, 0)
        if dead != found.dead:
            yield f"{name}: {found.dead} dead letters are counted, {dead} are on disk"
        if pending != found.pending:
            yield f"{name}: {found.pending} pending are counted, {pending} are on disk"
        if delivered != kept:
            yield f"{name}: {kept} delivered are kept as counted, {delivered} are on disk"
        if not is_proven:
            yield f"{name}: its counters were changed from outside"


def _of_the_bodies(session: Session) -> Iterator[str]:
    for id, events, body, crc in session.connection.execute(SQL["bodies"]):
        if not isinstance(body, bytes):
            yield f"batch {id}: where its events should be, there is something else"
        elif (lines := body.count(b"\n")) != events:
            yield f"batch {id}: holds {lines} events, and should {events}"
        elif not is_as_it_was_put(body, crc):
            yield f"batch {id}: an event in it is not as it was put (its checksum does not fit)"


def _of_the_tries(session: Session) -> Iterator[str]:
    for id, tried in session.execute("tries"):
        if read_tried(tried) is None:
            yield f"delivery {id}: its attempts cannot be read"


def _of_the_file(session: Session) -> Iterator[str]:
    """By SQLite itself: also that each row is in the indexes that it is claimed by."""
    try:
        found = session.connection.execute(f"PRAGMA integrity_check({_MOST})").fetchall()
    except sqlite3.DatabaseError as error:
        found = [(str(error),)]
    for (text,) in found:
        for words in text.splitlines():
            if words != "ok" and not words.startswith("***"):
                yield f"the file: {words}"


def _held_by_nobody(session: Session) -> Iterator[str]:
    for (id,) in session.execute("held_by_nobody", most=_MOST):
        yield (
            f"delivery {id}: is held, and nothing of its key is before it; "
            f"vaulytica outbox bury {id}, then replay {id}"
        )
