"""Audit: whether the counters, which are the promise, and the rows, which are the events, say the same."""

from __future__ import annotations

import sqlite3

from vaulytica.outbox.delivery import Audit
from vaulytica.outbox.sqlite.counting import counts
from vaulytica.outbox.sqlite.queries import SQL
from vaulytica.outbox.sqlite.session import Session
from vaulytica.outbox.states import PENDING, State

_MOST = 20  # problems that are listed of one kind


def audit(session: Session) -> Audit:
    """All of it, as it stood at one moment, whatever others write meanwhile."""
    session.connection.execute("BEGIN")
    try:
        counted = counts(session)
        problems = [*_of_the_law(session), *_of_the_rows(session), *_of_the_file(session)]
        return Audit(counted, problems)
    finally:
        session.connection.execute("COMMIT")


def _of_the_law(session: Session) -> list[str]:
    on_disk: dict[str, dict[str, int]] = {}
    for name, state, events in session.execute("sums"):
        on_disk.setdefault(name, {})[state] = events
    problems = []
    for name, found in counts(session).items():
        here = on_disk.pop(name, {})
        dead, pending = here.get(State.DEAD, 0), sum(here.get(state, 0) for state in PENDING)
        if found.balance:
            problems.append(
                f"{name}: {found.balance} of {found.accepted} accepted events are missing"
            )
        if dead != found.dead:
            problems.append(f"{name}: {found.dead} dead letters are counted, {dead} are on disk")
        if pending != found.pending:
            problems.append(f"{name}: {found.pending} pending are counted, {pending} are on disk")
    return problems + [f"{name}: on disk, and not counted" for name in on_disk]


def _of_the_rows(session: Session) -> list[str]:
    problems = []
    for name, words in (
        ("without_batch", "delivery {}: its events are missing"),
        ("without_delivery", "batch {}: no delivery has it"),
        ("odd_refs", "batch {}: the deliveries that have it are miscounted"),
        ("odd_events", "delivery {}: its batch has another number of events"),
    ):
        problems += [words.format(id) for (id,) in session.execute(name, most=_MOST)]
    for id, events, body in session.connection.execute(SQL["bodies"]):
        lines = body.count(b"\n")
        if lines != events and len(problems) < 4 * _MOST:
            problems.append(f"batch {id}: holds {lines} events, and should {events}")
    return problems


def _of_the_file(session: Session) -> list[str]:
    try:
        found = session.connection.execute(f"PRAGMA quick_check({_MOST})").fetchall()
    except sqlite3.DatabaseError as error:
        return [f"the file: {error}"]
    return [f"the file: {words}" for (words,) in found if words != "ok"]
