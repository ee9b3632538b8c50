"""The tasks of one stream: as `crew`, for asyncio."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
)
from typing import Any

from vaulytica.delivery.policy import Random
from vaulytica.delivery.ports import Clock
from vaulytica.delivery.report import Report
from vaulytica.delivery.run import Run
from vaulytica.driver.aio import AsyncDriver

Source = Iterable[object] | AsyncIterable[object]

log = logging.getLogger("vaulytica")

PATIENCE = 10.0  # seconds for a cancelled source to close; a service has often 30 to stop
_CANCELLED_AGAIN = 2  # times; not sooner, as that breaks off what a source does to close
_NOT_ASKED_FOR = (
    "the stream was ended by a CancelledError that came from its source, on_result or transport: "
    "something there was cancelled, and the stream was not"
)


class AsyncCrew:
    """One task reads the source, workers are begun as they are needed; the caller takes the reports."""

    def __init__(
        self, run: Run, driver: AsyncDriver, source: Source, clock: Clock, rng: Random
    ) -> None:
        self._run, self._driver, self._source = run, driver, source
        self._clock, self._rng = clock, rng
        self._tasks: set[asyncio.Task[None]] = set()
        self._cancelled: set[asyncio.Task[None]] = set()  # of those, by us
        self._changed = _Changed()
        self._workers = self._idle = 0
        self._begun = self._stopped = False
        self._reader: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._error: BaseException | None = None

    async def reports(self) -> AsyncIterator[Report]:
        """Begin, and give the reports as they come, till all is settled; an error of the source ends it."""
        if not self._run.over:
            self._reader = self._start(self._read)
        try:
            while True:
                while not self._run.reports and not self._is_over():
                    await self._changed.wait()
                if not self._run.reports or self._error is not None:
                    break
                report = self._run.reports.popleft()
                self._changed.tell()
                yield report
        finally:
            await self.stop()
        if isinstance(self._error, asyncio.CancelledError):
            # As it is, it would pass for the end of a task that was asked to end: a TaskGroup is silent then.
            raise self._run.noted_on(RuntimeError(_NOT_ASKED_FOR)) from self._error
        if self._error is not None:
            raise self._run.noted_on(self._error)

    async def stop(self) -> None:
        """Read no further, cancel what is under way, and wait for its end; not for ever."""
        self._stopped = True
        self._run.stop()
        for task in self._tasks:
            self._cancel(task)
        if self._tasks and self._ending is None:
            self._ending = asyncio.ensure_future(self._end())
        if self._ending is not None:
            await asyncio.shield(self._ending)

    async def _end(self) -> None:
        """Wait for the tasks. What goes on though it is cancelled is cancelled again, and left at last."""
        for _ in range(_CANCELLED_AGAIN):
            if not self._tasks:
                return
            _, going_on = await asyncio.wait(self._tasks, timeout=PATIENCE)
            if not going_on:
                return
            for task in going_on:
                task.cancel()
        log.warning(
            "a stream has ended, and its source goes on though cancelled: it is left behind"
        )

    def halt(self, why: str) -> None:
        """Read no further, and begin nothing more."""
        self._run.halt(why)
        if self._reader is not None:
            self._cancel(self._reader)
        self._changed.tell()

    def _cancel(self, task: asyncio.Task[None]) -> None:
        if task not in self._cancelled:  # twice at once would break off the closing of its source
            self._cancelled.add(task)
            task.cancel()

    def _is_over(self) -> bool:
        return self._run.finished or self._stopped or self._error is not None

    async def _read(self) -> None:
        if isinstance(self._source, AsyncIterable):
            await self._read_async(aiter(self._source))
        else:
            await self._read_sync(iter(self._source))
        if not self._run.over:
            self._run.end()
            self._hand_over()

    async def _read_async(self, source: AsyncIterator[object]) -> None:
        run, monotonic = self._run, self._clock.monotonic
        try:
            async for entry in source:
                if run.put(entry, monotonic()) or run.over:
                    await self._let_others()
                    if run.over:  # it was cancelled, and gave the entry all the same
                        return
        finally:
            if isinstance(source, AsyncGenerator):
                await source.aclose()

    async def _read_sync(self, source: Iterator[object]) -> None:
        put, monotonic = self._run.put, self._clock.monotonic
        try:
            for entry in source:
                if put(entry, monotonic()):
                    await self._let_others()
        finally:
            if isinstance(source, Generator):
                source.close()

    async def _let_others(self) -> None:
        """There is news: others may have something to do, and must have it done where there is no room."""
        self._hand_over()
        await asyncio.sleep(0)  # the source may never give them a turn
        while not self._run.hungry and not self._run.over:
            await self._changed.wait()

    def _hand_over(self) -> None:
        """Wake everybody, and begin a worker where there is more to do than idle ones."""
        self._changed.tell()
        if self._is_over():
            return
        wanted = min(self._run.width, self._workers + max(1, len(self._run.ready)) - self._idle)
        while self._workers < wanted:
            self._workers += 1
            self._start(self._work)

    async def _work(self) -> None:
        run = self._run
        while (got := run.take(self._clock, self._rng)) is not None:
            if isinstance(got, float):
                self._changed.tell()  # what was not sent may be reported
                self._idle += 1
                try:
                    await self._changed.wait(got)
                finally:
                    self._idle -= 1
                continue
            self._changed.tell()  # there is room for more
            run.settle(got, await self._driver.run(got.flow))
            self._changed.tell()
        self._workers -= 1
        self._changed.tell()

    def _start(self, job: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(self._guarded(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _guarded(self, job: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await job()
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and self._is_cancelled():
                raise
            self._error = self._error or error  # of the caller's code: the caller gets it
            self._changed.tell()

    def _is_cancelled(self) -> bool:
        """Whether we have cancelled this task; if not, its own code has raised that."""
        return asyncio.current_task() in self._cancelled


class _Changed:
    """Something has changed: whoever waits may look again."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    async def wait(self, seconds: float = float("inf")) -> None:
        """Until it is told, for so many seconds at most."""
        loop = asyncio.get_running_loop()
        told = loop.create_future()
        self._waiting.append(told)
        timer = None
        if seconds < float("inf"):
            timer = loop.call_later(seconds, _resolve, told)
        try:
            await told
        finally:
            if timer is not None:
                timer.cancel()

    def tell(self) -> None:
        """Wake all."""
        waiting, self._waiting = self._waiting, []
        for told in waiting:
            _resolve(told)


def _resolve(told: asyncio.Future[None]) -> None:
    if not told.done():
        told.set_result(None)
