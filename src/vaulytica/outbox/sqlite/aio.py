"""The outbox for asyncio: verbs that are asked for in one turn of the loop share a transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from vaulytica.errors import OutboxError
from vaulytica.outbox.sqlite.commit import Op
from vaulytica.outbox.sqlite.verbs import Verbs

if TYPE_CHECKING:
    from vaulytica.outbox.sqlite.store import SqliteOutbox

P = ParamSpec("P")
T = TypeVar("T")


def _awaited(
    verb: Callable[Concatenate[Verbs, P], Op[T]],
) -> Callable[Concatenate[AsyncSqliteOutbox, P], Awaitable[T]]:
    """The verb for asyncio."""

    def call(self: AsyncSqliteOutbox, /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        return self.do(verb(self.verbs, *args, **kwargs))

    call.__doc__ = verb.__doc__
    return call


class AsyncSqliteOutbox:
    """The same file as a `SqliteOutbox`, which makes it, and closes it."""

    def __init__(self, outbox: SqliteOutbox) -> None:
        self.outbox = outbox
        self.verbs = outbox.verbs
        self._waiting: list[tuple[Op[Any], asyncio.Future[None]]] = []
        self._flush: asyncio.Task[None] | None = None
        self._pool = ThreadPoolExecutor(1, "vaulytica-outbox")
        self._closed = False

    put = _awaited(Verbs.put)
    put_shares = _awaited(Verbs.put_shares)
    marks = _awaited(Verbs.marks)
    forget = _awaited(Verbs.forget)
    claim = _awaited(Verbs.claim)
    settle = _awaited(Verbs.settle)
    extend = _awaited(Verbs.extend)
    move = _awaited(Verbs.move)
    shed = _awaited(Verbs.shed)
    pause = _awaited(Verbs.pause)
    resume = _awaited(Verbs.resume)
    paused = _awaited(Verbs.paused)
    browse = _awaited(Verbs.browse)
    total = _awaited(Verbs.total)
    audit = _awaited(Verbs.audit)
    counts = _awaited(Verbs.counts)
    due = _awaited(Verbs.due)
    used_bytes = _awaited(Verbs.used_bytes)
    tidy = _awaited(Verbs.tidy)

    async def do(self, op: Op[T]) -> T:
        """Have it done with what else is asked for meanwhile; what came of it."""
        if self._closed:
            raise OutboxError(f"outbox {self.outbox.path} is closed; open it anew")
        loop = asyncio.get_running_loop()
        if op.reads:
            return await loop.run_in_executor(self._pool, self.outbox.do, op)
        told = loop.create_future()
        self._waiting.append((op, told))
        if self._flush is None or self._flush.done():
            self._flush = asyncio.create_task(self._all())
        await told
        return op.result()

    async def _all(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            group, self._waiting = self._waiting, []
            ops = [op for op, told in group if not told.cancelled()]
            try:
                await loop.run_in_executor(self._pool, self.outbox.do_all, ops)
            except Exception as error:  # noqa: BLE001 - each of those who wait is told
                for op in ops:
                    op.error = op.error and error
            for _, told in group:
                if not told.done():
                    told.set_result(None)

    def close(self) -> None:
        """End its thread."""
        self._closed = True
        self._pool.shutdown(wait=True)
