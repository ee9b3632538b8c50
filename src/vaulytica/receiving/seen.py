"""Stores of seen ids: what tells a request that comes again from one that is new."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from vaulytica.errors import WebhookConfigError
from vaulytica.forks import heed_forks, keep_for_ever

if TYPE_CHECKING:
    import sqlite3

_BUSY = 10.0  # seconds to wait for another process
_STALE = 64  # entries of a heap that are worth no cleaning
_SCHEMA = (  # without a token: done
    (
        "CREATE TABLE IF NOT EXISTS seen_ids "
        "(id TEXT PRIMARY KEY, until REAL NOT NULL, token TEXT) WITHOUT ROWID"
    ),
    "CREATE INDEX IF NOT EXISTS seen_ids_until ON seen_ids (until)",
)


class Seen(Enum):
    """What a store knows of an id."""

    NEW = "new"
    CLAIMED = "claimed"
    DONE = "done"


class SeenIds(Protocol):
    """One entry an id, claimed or done, until a moment in seconds since 1970; shared by all who receive.

    What is raised here makes the request fail, so that its sender tries again.
    """

    def claim(self, id: str, token: str, until: float) -> Seen:
        """Claim it for `token` where it is `NEW`, and say what it was; of many at once, one is told `NEW`."""

    def done(self, id: str, until: float) -> None:
        """Its entry, whosever it is, becomes done; there is room for that, as there was for the claim."""

    def release(self, id: str, token: str) -> None:
        """Forget it if it is claimed for `token`, and only then: the claim may have lapsed, and be another's."""


class SeenIdsFull(Exception):
    """No room for another id: the request has to wait, as one forgotten could be replayed."""


class MemorySeenIds:
    """In this process: for one process, and no longer than it lives. Claims no more than `most` ids."""

    def __init__(self, most: int = 100_000, *, clock: Callable[[], float] = time.time) -> None:
        self._most = most
        self._clock = clock
        self._entries: dict[str, tuple[float, str | None]] = {}  # until, and whose; None: done
        self._ends: list[tuple[float, str]] = []  # a heap; what changed since stays for a while
        self._lock = threading.Lock()
        heed_forks(self)

    def claim(self, id: str, token: str, until: float) -> Seen:
        """See `SeenIds`; `SeenIdsFull` where there is no room."""
        with self._lock:
            self._forget()
            if id in self._entries:
                return Seen.DONE if self._entries[id][1] is None else Seen.CLAIMED
            if len(self._entries) >= self._most:
                raise SeenIdsFull(f"{self._most} ids are remembered, and no more fit")
            self._keep(id, until, token)
            return Seen.NEW

    def done(self, id: str, until: float) -> None:
        """See `SeenIds`; never without room."""
        with self._lock:
            self._keep(id, until, None)

    def release(self, id: str, token: str) -> None:
        """See `SeenIds`."""
        with self._lock:
            if id in self._entries and self._entries[id][1] == token:
                del self._entries[id]

    def _keep(self, id: str, until: float, token: str | None) -> None:
        self._entries[id] = (until, token)
        heapq.heappush(self._ends, (until, id))
        if len(self._ends) > 2 * len(self._entries) + _STALE:
            self._ends = [(until, id) for id, (until, _) in self._entries.items()]
            heapq.heapify(self._ends)

    def _forget(self) -> None:
        now = self._clock()
        while self._ends and self._ends[0][0] <= now:
            until, id = heapq.heappop(self._ends)
            if id in self._entries and self._entries[id][0] == until:
                del self._entries[id]

    def forked(self) -> None:
        """In a forked child: from here on, it is one of its own."""
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)


class SQLiteSeenIds:
    """In a file, for all processes of one machine, forked ones included; outlives them.

    One that cannot be opened, or is no SQLite file, raises `WebhookConfigError`.
    """

    def __init__(self, path: Path | str, *, clock: Callable[[], float] = time.time) -> None:
        self._path = str(path) if str(path) == ":memory:" else str(Path(path).absolute())
        self._clock = clock
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = _opened(self._path)
        heed_forks(self)

    def claim(self, id: str, token: str, until: float) -> Seen:
        """See `SeenIds`; one statement decides, also between processes."""
        now = self._clock()
        with self._lock:
            database = self._of_this_process()
            claimed = database.execute(
                "INSERT INTO seen_ids (id, until, token) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE "
                "SET until = excluded.until, token = excluded.token WHERE until <= ?",
                (id, until, token, now),
            ).rowcount
            database.execute("DELETE FROM seen_ids WHERE until <= ?", (now,))
            if claimed == 1:
                return Seen.NEW
            row = database.execute("SELECT token FROM seen_ids WHERE id = ?", (id,)).fetchone()
        return Seen.DONE if row == (None,) else Seen.CLAIMED  # no row: it ended just now

    def done(self, id: str, until: float) -> None:
        """See `SeenIds`."""
        self._run("INSERT OR REPLACE INTO seen_ids (id, until) VALUES (?, ?)", (id, until))

    def release(self, id: str, token: str) -> None:
        """See `SeenIds`."""
        self._run("DELETE FROM seen_ids WHERE id = ? AND token = ?", (id, token))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._of_this_process().close()

    def forked(self) -> None:
        """In a forked child: the connection is the parent's, and must be neither used nor closed."""
        keep_for_ever(self._database)
        self._database, self._lock = None, threading.Lock()

    def _of_this_process(self) -> sqlite3.Connection:
        if self._database is None:
            self._database = _opened(self._path)
        return self._database

    def _run(self, statement: str, arguments: tuple[object, ...]) -> None:
        with self._lock:
            self._of_this_process().execute(statement, arguments)


def _opened(path: str) -> sqlite3.Connection:
    import sqlite3

    from vaulytica.wal import use_wal

    try:
        database = sqlite3.connect(
            path, timeout=_BUSY, isolation_level=None, check_same_thread=False
        )
    except sqlite3.Error as error:
        raise WebhookConfigError(f"seen ids: cannot open {path}: {error}") from None
    try:
        use_wal(database, _BUSY)
        for statement in _SCHEMA:
            database.execute(statement)
    except sqlite3.Error as error:
        database.close()
        raise WebhookConfigError(f"seen ids: cannot use {path}: {error}") from None
    return database
