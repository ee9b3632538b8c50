"""Recover: whatever can be read of a damaged file goes into a new one, and what cannot is counted.

SQLite stops at the first damaged page. Here the rows are asked for by their numbers, past such pages.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from vaulytica.errors import OutboxDamagedError, OutboxError
from vaulytica.outbox.delivery import Counts, Tried
from vaulytica.outbox.sqlite.checksum import crc32
from vaulytica.outbox.sqlite.commit import Op
from vaulytica.outbox.sqlite.counting import counts
from vaulytica.outbox.sqlite.lock import OwnerLock
from vaulytica.outbox.sqlite.putting import add_delivery
from vaulytica.outbox.sqlite.queries import SQL
from vaulytica.outbox.sqlite.session import Session
from vaulytica.outbox.sqlite.store import SqliteOutbox
from vaulytica.outbox.states import PENDING, State

_FARTHEST = 2**62
_ORPHAN = "recovered without its delivery: it may have been delivered before"
_COLUMNS = {
    "outbox_destination": "id, name, accepted, delivered, buried, replayed, dropped, purged",
    "outbox_batch": "id, kept, events, refs, bound, body",
    "outbox_delivery": "id, destination, batch, events, severity, state, kept, due, attempts, charged, "
    "excused, token, lease, owned, key, tried",
}


class Recovered(msgspec.Struct, frozen=True):
    """What is in the new file, and how many events of each destination could not be read as they were.

    `doubtful` are dead letters now: some of those, or events that were delivered before.
    """

    counts: dict[str, Counts]
    lost: dict[str, int]
    doubtful: int


def recover(source: Path, target: Path) -> Recovered:
    """Read `source` as far as that is possible, into the new file `target`."""
    if not source.exists():
        raise OutboxError(f"outbox {source}: there is no such file")
    if target.exists():
        raise OutboxError(f"outbox {target} is there already; name a new file")
    lock = OwnerLock(source)
    try:
        damaged = _open(source)
        try:
            with SqliteOutbox(target) as outbox:
                return outbox.do(_Recovery(damaged).op())
        finally:
            damaged.close()
    finally:
        lock.release()


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
    connection.execute("PRAGMA cell_size_check = ON")
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        connection.close()
        raise OutboxDamagedError(
            f"outbox {path}: nothing of it can be read ({error}); its first page is damaged. "
            "Put back a copy of the file, or look at it with SQLite's own recovery: sqlite3 FILE .recover"
        ) from None
    return connection


class _Recovery:
    def __init__(self, damaged: sqlite3.Connection) -> None:
        self._damaged = damaged
        self._doubtful: dict[int, int] = {}

    def op(self) -> Op[Recovered]:
        """All of it, in one transaction of the new file."""
        return Op(self._run)

    def _run(self, session: Session) -> Recovered:
        connection = session.connection
        for table, columns in _COLUMNS.items():
            marks = ", ".join("?" * len(columns.split(", ")))
            insert = f"INSERT INTO {table} ({columns}) VALUES ({marks})"  # noqa: S608 - our own words
            for row in _rows(self._damaged, table, columns):
                connection.execute(insert, row)
        self._copy_rest(session)
        for name in ("name_unknown", "unclaim", "drop_without_batch", "recount_events"):
            session.execute(name)
        for id, bound, kept in connection.execute(SQL["short_of_deliveries"]).fetchall():
            self._add_orphan(session, id, bound, kept)
        session.execute("drop_unreachable")
        session.execute("recount_refs")
        for id, _, body, _ in connection.execute(SQL["bodies"]).fetchall():
            session.execute("set_crc", id=id, crc=crc32(body))
        return Recovered(*self._recount(session), sum(self._doubtful.values()))

    def _copy_rest(self, session: Session) -> None:
        """What is of use, and no event's loss."""
        for select, insert in (
            ("old_keys", "old_key"),
            ("old_marks", "old_mark"),
            ("clock", "old_clock"),
        ):
            try:
                for row in self._damaged.execute(SQL[select]):
                    session.connection.execute(SQL[insert], row)
            except sqlite3.DatabaseError:
                continue

    def _add_orphan(self, session: Session, batch: int, bound: str, kept: int) -> None:
        """A batch whose delivery is lost: a dead letter for each destination it may be of."""
        here = {id for (id,) in session.execute("deliveries_of_batch", batch=batch)}
        (body,) = session.execute("body", batch=batch).fetchone()
        events, now = body.count(b"\n"), session.now()
        tried = msgspec.json.encode([Tried(now / 1000, _ORPHAN, "recovered")])
        for destination in {int(id) for id in bound.split()} - here:
            session.execute("add_unknown", id=destination, name=f"unknown-{destination}")
            add_delivery(
                session,
                key=None,
                destination=destination,
                batch=batch,
                events=events,
                severity=0,
                state=State.DEAD,
                kept=kept,
                due=now,
                tried=tried,
            )
            self._doubtful[destination] = self._doubtful.get(destination, 0) + events

    def _recount(self, session: Session) -> tuple[dict[str, Counts], dict[str, int]]:
        """Counters that fit what is here; and by how much fewer were accepted than the old ones said."""
        here: dict[str, dict[str, int]] = {}
        for name, state, events in session.execute("sums"):
            here.setdefault(name, {})[state] = events
        lost: dict[str, int] = {}
        for id, name, accepted, delivered, _, replayed, dropped, purged in session.execute(
            "counts"
        ).fetchall():
            found = here.get(name, {})
            dead = found.get(State.DEAD, 0)
            pending = sum(found.get(state, 0) for state in PENDING)
            now = delivered + dead + pending + dropped + purged
            missing = accepted - now + self._doubtful.get(id, 0)
            if missing > 0:
                lost[name] = missing
            gone = delivered - found.get(State.DELIVERED, 0)
            buried = dead + replayed + purged
            session.execute("set_counters", id=id, accepted=now, buried=buried, gone=gone)
        return counts(session), lost


def _rows(connection: sqlite3.Connection, table: str, columns: str) -> Iterator[tuple[Any, ...]]:
    """All rows that can be read, by rising number."""
    select = f"SELECT {columns} FROM {table} WHERE id > ? ORDER BY id"  # noqa: S608 - our own words
    at: int | None = -1
    while at is not None:
        try:
            for row in connection.execute(select, (at,)):
                at = row[0]
                yield row
            return
        except sqlite3.DatabaseError:
            at = _beyond(connection, f"{select} LIMIT 1", at)


def _beyond(connection: sqlite3.Connection, select: str, at: int) -> int | None:
    """The number from which on rows can be read again; None if none can."""

    def reads(number: int) -> bool:
        try:
            connection.execute(select, (number,)).fetchone()
        except sqlite3.DatabaseError:
            return False
        return True

    step = 1
    while not reads(at + step):
        step *= 2
        if at + step > _FARTHEST:
            return None
    low, high = at + step // 2, at + step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reads(middle) else (middle, high)
    return high
