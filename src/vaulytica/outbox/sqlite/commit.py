"""Group commit: what is asked for at the same time shares one transaction, and so one fsync.

Whoever comes first commits for all who wait, and then has the first of those who came meanwhile do the
same. So there is no thread, and a caller who is alone waits for nobody.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from vaulytica.errors import OutboxError

T = TypeVar("T")

_MOST = 1000  # ops in one transaction


class Op(Generic[T]):
    """Something to do to the file, and what came of it.

    `durable`: it is on disk before it is told. `reads`: it changes nothing, and waits for no one.
    """

    __slots__ = ("_result", "durable", "error", "reads", "run")

    def __init__(
        self, run: Callable[[Any], T], *, durable: bool = True, reads: bool = False
    ) -> None:
        self.run = run
        self.durable, self.reads = durable, reads
        self.error: BaseException | None = OutboxError("the outbox was interrupted before it wrote")
        self._result: T | None = None

    def succeed(self, result: T) -> None:
        """Keep what is to be told when the transaction is over."""
        self._result, self.error = result, None

    def fail(self, error: OutboxError) -> None:
        """Keep why it alone is not done, while all others are."""
        self.error = error

    def result(self) -> T:
        """What came of it."""
        if self.error is not None:
            raise self.error
        return self._result  # type: ignore[return-value] # set by `succeed`, as there is no error


class _Call:
    """One caller who waits, and what for."""

    __slots__ = ("done", "leads", "ops", "woken")

    def __init__(self, ops: Sequence[Op[Any]]) -> None:
        self.ops = ops
        self.done = self.leads = False
        self.woken = threading.Lock()
        self.woken.acquire()


class GroupCommit:
    """Gathers ops, and has `perform` do many of them at once; it says of each what came of it."""

    def __init__(self, perform: Callable[[list[Op[Any]]], None]) -> None:
        self._perform = perform
        self._mutex = threading.Lock()
        self._queue: deque[_Call] = deque()
        self._leading = False

    def do(self, op: Op[T]) -> T:
        """Have it done, together with what others want done; what came of it."""
        self.do_all((op,))
        return op.result()

    def do_all(self, ops: Sequence[Op[Any]]) -> None:
        """Have several done; each keeps what came of it."""
        call = _Call(ops)
        with self._mutex:
            self._queue.append(call)
            leads = not self._leading
            self._leading = True
        if not leads:
            try:
                call.woken.acquire()
            except BaseException:  # Ctrl-C: what has not begun will not
                self._withdraw(call)
                raise
            if call.done:
                return
        self._lead()

    def _lead(self) -> None:
        with self._mutex:
            group: list[_Call] = []
            count = 0
            while self._queue and (not group or count + len(self._queue[0].ops) <= _MOST):
                group.append(self._queue.popleft())
                count += len(group[-1].ops)
        try:
            self._perform([op for call in group for op in call.ops])
        finally:
            with self._mutex:
                for call in group:
                    call.done = True
                following = self._pass_on()
            for call in group:
                call.woken.release()
            if following is not None:
                following.woken.release()

    def _withdraw(self, call: _Call) -> None:
        with self._mutex:
            if call not in self._queue:
                return
            self._queue.remove(call)
            following = self._pass_on() if call.leads else None
        if following is not None:
            following.woken.release()

    def _pass_on(self) -> _Call | None:
        """Who leads next; to be woken."""
        if not self._queue:
            self._leading = False
            return None
        self._queue[0].leads = True
        return self._queue[0]
