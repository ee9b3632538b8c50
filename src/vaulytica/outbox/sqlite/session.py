"""Session: the connection that writes, with all that a verb needs of it. Used by one thread at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from vaulytica.outbox.delivery import Retention
from vaulytica.outbox.sqlite.clock import FileClock
from vaulytica.outbox.sqlite.queries import SQL
from vaulytica.outbox.sqlite.unreadable import Unreadable

_CLOCK_STEP = 1000  # milliseconds between two writings of the clock
_SWEEP_STEP = 1.0  # seconds between two looks for claims that ran out


class PassedOver(Exception):
    """Some deliveries could not be read, and will be passed over: what was asked is to be asked anew."""


class Session:
    """What verbs run on. `puts` gathers the destinations that have got something new to do.

    `retained`: the bytes of what is kept for looking back, see `retaining`; None: not counted yet.
    `damage`: why a delivery was passed over, until somebody has heard of it. `unreadable`: those that are.
    `senseless`: what is wrong with the rows, once one was met that makes no sense.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        clock: FileClock,
        *,
        retention: Retention | None = None,
        owned: bool = False,
    ) -> None:
        self.connection = connection
        self.clock = clock
        self.retention = retention
        self.owned = owned
        self.puts: set[str] = set()
        self.retained: int | None = None
        self.retained_version, self.retained_until = 0, 0.0
        self._ids: dict[str, int] = {}
        self._clock_at = 0
        self._synchronous = ""
        self._swept: dict[int, float] = {}
        self.damage: str | None = None
        self.senseless: str | None = None
        self.unreadable = Unreadable(clock)

    def execute(self, statement: str, /, **values: Any) -> sqlite3.Cursor:
        """Run the named statement."""
        return self.connection.execute(SQL[statement], values)

    def execute_if_readable(self, statement: str, /, **values: Any) -> None:
        """The same, unless something could not be read: SQLite writes nothing after that in a transaction."""
        if self.damage is None:
            self.execute(statement, **values)

    def check_readable(self) -> None:
        """Raises `PassedOver` if something could not be."""
        if self.damage is not None:
            raise PassedOver

    def now(self) -> int:
        """Milliseconds since 1970, by the outbox's clock."""
        return self.clock.now()

    @contextmanager
    def transaction(self, *, durable: bool) -> Iterator[None]:
        """All or nothing; when it ends well, it is on disk if it is to be durable."""
        connection = self.connection
        synchronous = "FULL" if durable else "NORMAL"
        if synchronous != self._synchronous:
            connection.execute(f"PRAGMA synchronous = {synchronous}")
            self._synchronous = synchronous
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            now = self.now()
            if now - self._clock_at >= _CLOCK_STEP:
                self.execute("set_clock", now=now)
                self._clock_at = now
            connection.execute("COMMIT")
        except BaseException:
            self.puts.clear()
            self._ids.clear()  # some of them may be of this transaction
            self.retained = None
            self._clock_at = 0
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def destination(self, name: str) -> int:
        """Its number; one that is new gets one."""
        known = self._ids.get(name)
        if known is None:
            self.execute("add_destination", name=name)
            (known,) = self.execute("destination", name=name).fetchone()
            self._ids[name] = known
        return known

    def known_destination(self, name: str) -> int | None:
        """Its number; None if nothing was ever put for it."""
        if name not in self._ids:
            found = self.execute("destination", name=name).fetchone()
            if found is None:
                return None
            self._ids[name] = found[0]
        return self._ids[name]

    def sweep(self, destination: int) -> None:
        """Take back claims that ran out; looks once a second, as it looks at all that are claimed."""
        now = self.clock.monotonic()
        if now >= self._swept.get(destination, now):
            self.execute("expire", destination=destination, now=self.now())
            self._swept[destination] = now + _SWEEP_STEP

    def pass_over(self, destination: str, id: int, why: str) -> None:
        """Leave a delivery that cannot be read where it is: nothing is written to what is damaged."""
        self.damage = why
        self.unreadable.add(destination, id)
