"""SqliteOutbox: the outbox in one file, for threads; `aio` is the same for asyncio."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

from vaulytica.errors import OutboxError, WebhookConfigError
from vaulytica.outbox.delivery import Receipt, Retention
from vaulytica.outbox.parcel import Entry, Parcel
from vaulytica.outbox.sqlite.audit import first_problem
from vaulytica.outbox.sqlite.by_url import ByUrl
from vaulytica.outbox.sqlite.clock import Clock, FileClock
from vaulytica.outbox.sqlite.commit import GroupCommit, Op
from vaulytica.outbox.sqlite.connection import (
    connect,
    is_autocommit,
    is_of_file,
    path_of,
    plain_rows,
)
from vaulytica.outbox.sqlite.errors import damaged, explained, explaining
from vaulytica.outbox.sqlite.lock import OwnerLock
from vaulytica.outbox.sqlite.noted import note
from vaulytica.outbox.sqlite.place import refuse_if_lost, refuse_if_nearly_full
from vaulytica.outbox.sqlite.putting import Put, put_all
from vaulytica.outbox.sqlite.queries import SQL
from vaulytica.outbox.sqlite.schema import migrate
from vaulytica.outbox.sqlite.session import PassedOver, Session
from vaulytica.outbox.sqlite.verbs import DAY, Verbs

if TYPE_CHECKING:
    from vaulytica.outbox.sqlite.aio import AsyncSqliteOutbox

P = ParamSpec("P")
T = TypeVar("T")


def _done(
    verb: Callable[Concatenate[Verbs, P], Op[T]],
) -> Callable[Concatenate[SqliteOutbox, P], T]:
    """The verb, done when it returns."""

    def call(self: SqliteOutbox, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.do(verb(self.verbs, *args, **kwargs))

    call.__doc__ = verb.__doc__
    return call


class SqliteOutbox(ByUrl):
    """May be shared by threads, used by a forked child, and opened by many programs at a time.

    `owner`: this is the one relay on the file; a second is refused. `retention`: whether delivered ones
    are kept for looking back. `remember`: seconds that idempotency keys are. `min_free`: bytes of the
    disk that puts leave free, as delivering needs some. `look_only`: the file may be on a disk that is
    read-only. `on_put` hears, after each transaction, which destinations have got something to do, and
    `on_error` of each fault of the file or its disk, in the thread that has met it.
    """

    def __init__(
        self,
        path: Path,
        *,
        owner: bool = False,
        create: bool = True,
        retention: Retention | None = None,
        remember: float = DAY,
        min_free: int = 32 * 1024**2,
        look_only: bool = False,
        clock: Clock = time,
        on_put: Callable[[set[str]], object] | None = None,
        on_error: Callable[[OutboxError], object] | None = None,
    ) -> None:
        self.path, self.on_put, self.on_error = path, on_put, on_error
        self.verbs = Verbs(remember)
        self._min_free, self._look_only = min_free, look_only
        self._clock, self._retention = clock, retention
        self._aio: AsyncSqliteOutbox | None = None
        self._closed, self._create = False, create
        refuse_if_lost(path, create=create)
        self._lock = OwnerLock(path, anew=True) if owner else None
        try:
            with explaining(path):
                self._begin()
                self._disown()
        except BaseException:
            self.close()
            raise

    @classmethod
    def open(cls, url: str, **settings: Any) -> Self:
        """By its URL, `sqlite://` and the whole path of the file."""
        return cls(path_of(url), **settings)

    def _begin(self) -> None:
        """The connections, of this process."""
        self._pid = os.getpid()
        self._writer: Session | None = None
        self._reader: Session | None = None
        self._reading, self._commit = threading.Lock(), GroupCommit(self._perform)
        self._writer = self._opened(create=True)
        self._reader = self._opened(create=False)
        self._reader.unreadable = self._writer.unreadable

    def _opened(self, *, create: bool) -> Session:
        connection = connect(self.path, create=create and self._create, look_only=self._look_only)
        try:
            if create:
                migrate(connection, self.path, self._milliseconds, owner=self._lock)
            return self._session(connection)
        except BaseException:  # of a damaged file
            connection.close()
            raise

    def _milliseconds(self) -> int:
        return round(self._clock.time() * 1000)

    def _session(self, connection: sqlite3.Connection) -> Session:
        (seen,) = connection.execute(SQL["clock"]).fetchone()
        if not isinstance(seen, int):
            raise damaged("(the time that it has seen last is gone)", self.path)
        clock = FileClock(self._clock, seen)
        owned = self._lock is not None
        return Session(connection, clock, retention=self._retention, owned=owned)

    def _disown(self) -> None:
        """As the one owner: what an earlier one had claimed, nobody has."""
        if self._lock is None:
            return
        assert self._writer is not None
        with self._writer.transaction(durable=False):
            for id, _ in self._writer.execute("destinations").fetchall():
                self._writer.execute("disown", destination=id)

    # --- The verbs.

    def put(
        self,
        events: Parcel | Entry | Iterable[Entry],
        destinations: Collection[str],
        *,
        key: str | None = None,
        idempotency_key: str | None = None,
        connection: sqlite3.Connection | None = None,
    ) -> Receipt:
        """Keep events for each destination; they are on disk when it returns.

        With a `connection` to the same file: a part of its transaction, on disk when that is committed.
        """
        op = self.verbs.put(events, destinations, key=key, idempotency_key=idempotency_key)
        if connection is None:
            return self.do(op)
        if not connection.in_transaction and is_autocommit(connection):
            raise WebhookConfigError("put: the connection is in no transaction; begin one first")
        with plain_rows(connection), explaining(self.path):
            if not is_of_file(connection, self.path):
                raise WebhookConfigError(f"put: the connection is to another file than {self.path}")
            refuse_if_nearly_full(self.path, self._min_free)
            put_all(self._session(connection), [op])
        return op.result()

    put_shares = _done(Verbs.put_shares)
    marks = _done(Verbs.marks)
    forget = _done(Verbs.forget)
    claim = _done(Verbs.claim)
    settle = _done(Verbs.settle)
    extend = _done(Verbs.extend)
    move = _done(Verbs.move)
    shed = _done(Verbs.shed)
    pause = _done(Verbs.pause)
    resume = _done(Verbs.resume)
    paused = _done(Verbs.paused)
    browse = _done(Verbs.browse)
    total = _done(Verbs.total)
    audit = _done(Verbs.audit)
    now = _done(Verbs.now)
    counts = _done(Verbs.counts)
    due = _done(Verbs.due)
    used_bytes = _done(Verbs.used_bytes)
    tidy = _done(Verbs.tidy)

    def keep(self, retention: Retention | None) -> None:
        """Keep what is delivered so long from now on."""
        self._retention = retention
        if self._writer is not None:
            self._writer.retention = retention

    @property
    def aio(self) -> AsyncSqliteOutbox:
        """The same for asyncio."""
        if self._aio is None:
            from vaulytica.outbox.sqlite.aio import AsyncSqliteOutbox

            self._aio = AsyncSqliteOutbox(self)
        return self._aio

    # --- How they are done.

    def do(self, op: Op[T]) -> T:
        """Do it with what others want done at the same time; what came of it."""
        self._refuse_if_closed()
        if not op.reads:
            return self._commit.do(op)
        with self._reading:
            session = self._reader
            assert session is not None
            with explaining(self.path, self._tell, lambda: first_problem(session)):
                return op.run(session)

    def do_all(self, ops: Sequence[Op[Any]]) -> None:
        """Do several; each keeps what came of it."""
        self._refuse_if_closed()
        self._commit.do_all(ops)

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise OutboxError(f"outbox {self.path} is closed; open it anew")
        if self._pid != os.getpid():  # SQLite's connections must not be used across a fork
            with explaining(self.path):
                self._begin()

    def _perform(self, ops: list[Op[Any]]) -> None:
        """All in one transaction; if one of them is at fault, or to be done anew, each in its own."""
        session = self._writer
        assert session is not None
        try:
            if any(isinstance(op, Put) for op in ops):
                refuse_if_nearly_full(self.path, self._min_free)
            with session.transaction(durable=any(op.durable for op in ops)):
                put_all(session, [op for op in ops if isinstance(op, Put)])
                for op in ops:
                    if not isinstance(op, Put):
                        op.succeed(op.run(session))
        except Exception as error:  # noqa: BLE001 - each of those who wait is told
            is_anew = isinstance(error, PassedOver)
            if is_anew or (len(ops) > 1 and not isinstance(error, sqlite3.OperationalError)):
                self._tell_of(session)
                for op in ops:
                    self._perform([op])
                return
            ours = explained(error, self.path, lambda: first_problem(session))
            for op in ops:
                op.error = ours
            self._tell(ours)
            return
        self._tell_of(session)

    def _tell_of(self, session: Session) -> None:
        if session.damage is not None:
            why, session.damage = session.damage, None
            self._tell(damaged(f"({why})", self.path))
        names, session.puts = session.puts, set()
        if names and self.on_put is not None:
            self.on_put(names)

    def _tell(self, error: Exception) -> None:
        if (lock := self._lock) is not None:  # another thread may close the outbox
            note(lock, self.path, error, self._clock.time())
        if self.on_error is not None and isinstance(error, OutboxError):
            self.on_error(error)

    def close(self) -> None:
        """Let go of the files; may be called again."""
        self._closed = True
        if self._aio is not None:
            self._aio.close()
        for session in (self._reader, self._writer):
            if session is not None and self._pid == os.getpid():
                session.connection.close()
        self._reader = self._writer = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
