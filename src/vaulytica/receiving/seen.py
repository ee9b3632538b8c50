"""Stores of seen ids: what tells a request that comes again from one that is new."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol


class SeenIds(Protocol):
    """Remembers ids, each until a moment in seconds since 1970; shared by all who receive for one endpoint.

    What is raised here makes the request fail, so that its sender tries again.
    """

    def add(self, id: str, until: float) -> bool:
        """Remember it, and whether it was new; of those who add one at the same time, one is told so."""

    def has(self, id: str) -> bool:
        """Whether it is remembered."""

    def discard(self, id: str) -> None:
        """Forget it, if it is there."""


class SeenIdsFull(Exception):
    """No room for another id: the request has to wait, as one forgotten could be replayed."""


class MemorySeenIds:
    """In this process: for one process, and no longer than it lives. Holds `most` ids at most."""

    def __init__(self, most: int = 100_000, *, clock: Callable[[], float] = time.time) -> None:
        self._most = most
        self._clock = clock
        self._until: dict[str, float] = {}
        self._ends: list[tuple[float, str]] = []  # a heap; those discarded stay until their time
        self._lock = threading.Lock()

    def add(self, id: str, until: float) -> bool:
        """See `SeenIds`; `SeenIdsFull` where there is no room."""
        with self._lock:
            self._forget()
            if id in self._until:
                return False
            if len(self._ends) >= self._most:
                raise SeenIdsFull(f"{self._most} ids are remembered, and no more fit")
            self._until[id] = until
            heapq.heappush(self._ends, (until, id))
            return True

    def has(self, id: str) -> bool:
        """See `SeenIds`."""
        with self._lock:
            self._forget()
            return id in self._until

    def discard(self, id: str) -> None:
        """See `SeenIds`."""
        with self._lock:
            self._until.pop(id, None)

    def _forget(self) -> None:
        now = self._clock()
        while self._ends and self._ends[0][0] <= now:
            until, id = heapq.heappop(self._ends)
            if self._until.get(id) == until:
                del self._until[id]

    def __len__(self) -> int:
        return len(self._until)


class SQLiteSeenIds:
    """In a file, for all processes of one machine; outlives them. Made anew in each process, after a fork."""

    def __init__(self, path: Path | str, *, clock: Callable[[], float] = time.time) -> None:
        import sqlite3

        self._clock = clock
        self._lock = threading.Lock()
        self._database = sqlite3.connect(
            path, timeout=10, isolation_level=None, check_same_thread=False
        )
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID"
        )
        self._database.execute("CREATE INDEX IF NOT EXISTS seen_until ON seen (until)")

    def add(self, id: str, until: float) -> bool:
        """See `SeenIds`; one statement decides, also between processes."""
        now = self._clock()
        added = self._run(
            "INSERT INTO seen (id, until) VALUES (?, ?) "
            "ON CONFLICT (id) DO UPDATE SET until = excluded.until WHERE until <= ?",
            (id, until, now),
        )
        self._run("DELETE FROM seen WHERE until <= ?", (now,))
        return added == 1

    def has(self, id: str) -> bool:
        """See `SeenIds`."""
        query = "SELECT 1 FROM seen WHERE id = ? AND until > ?"
        with self._lock:
            return self._database.execute(query, (id, self._clock())).fetchone() is not None

    def discard(self, id: str) -> None:
        """See `SeenIds`."""
        self._run("DELETE FROM seen WHERE id = ?", (id,))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def _run(self, statement: str, arguments: tuple[object, ...]) -> int:
        with self._lock:
            return self._database.execute(statement, arguments).rowcount
