"""Drivers: perform what a flow asks for, until it returns. One for threads, one for asyncio.

They hold what a flow must not: the transport, the sleeping, and the lock that lets one caller at a
time fetch a token.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

from vaulytica.delivery.ports import (
    Alone,
    AsyncTransport,
    Connect,
    Effect,
    Flow,
    Send,
    T,
    Transport,
    Wait,
)
from vaulytica.delivery.request import Response
from vaulytica.errors import Failure, FailureKind, TransportFailure

if TYPE_CHECKING:
    import asyncio

log = logging.getLogger("vaulytica")

Sleep = Callable[[float], object]
AsyncSleep = Callable[[float], Awaitable[object]]


def _no_response(answer: object) -> TransportFailure:
    """What a transport, which may be anybody's, gave instead of an answer."""
    what = f"the transport gave {type(answer).__name__}, not a Response"
    return TransportFailure(FailureKind.REQUEST, what, retryable=False)


def _failure_of(error: Exception) -> TransportFailure:
    """A transport's error that is no `TransportFailure`: of the network, or a fault of its own."""
    log.debug("the transport raised", exc_info=error)
    what = f"the transport raised {type(error).__name__}: {error}"
    if isinstance(error, OSError):
        kind = FailureKind.TIMEOUT if isinstance(error, TimeoutError) else FailureKind.BROKEN
        return TransportFailure(kind, what)
    return TransportFailure(FailureKind.REQUEST, what, retryable=False)


class Driver:
    """Runs flows over a sync transport; may be shared by threads, and used by a forked child."""

    def __init__(self, transport: Transport, sleep: Sleep = time.sleep) -> None:
        self.transport = transport
        self.sleep = sleep
        self._lock, self._lock_pid = threading.Lock(), os.getpid()

    def run(self, flow: Flow[T], sleep: Sleep | None = None) -> T:
        """What the flow returns; `sleep` takes the place of the driver's own."""
        answer: Any = None
        failure: Failure | None = None
        try:
            while True:
                try:
                    effect = flow.send(answer) if failure is None else flow.throw(failure)
                except StopIteration as stop:
                    result: T = stop.value
                    return result
                answer = failure = None
                try:
                    if type(effect) is Send:  # nearly always
                        answer = self.transport.send(effect.request)
                        if not isinstance(answer, Response):
                            raise _no_response(answer)
                    else:
                        answer = self._perform(effect, sleep)
                except Failure as error:
                    failure = error
                except Exception as error:
                    if type(effect) is not Send:
                        raise
                    failure = _failure_of(error)
        finally:
            flow.close()

    def run_all(self, flows: Iterator[Flow[T]], done: Callable[[T], None], width: int) -> None:
        """Run all flows, `width` at a time, each result given to `done`; neither is called by two at once.

        An error raised by either ends the call. After Ctrl-C no flow begins, and no retry is waited for.
        """
        crew = _Crew(self, flows, done)
        # Never in this thread: a request in flight would keep Ctrl-C from it until its time-out.
        threads = [threading.Thread(target=crew.work, daemon=True) for _ in range(max(1, width))]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            crew.stopped.set()
        if crew.error is not None:
            raise crew.error

    def _perform(self, effect: Effect, sleep: Sleep | None) -> Any:
        if isinstance(effect, Wait):
            log.info("%s; again in %.2f s", effect.why, effect.seconds)
            return (sleep or self.sleep)(effect.seconds)
        if isinstance(effect, Connect):
            connect = getattr(self.transport, "connect", None)
            return connect and connect(effect.url, effect.timeout)
        assert isinstance(effect, Alone)
        with self._alone():
            return self.run(effect.flow, sleep)

    def _alone(self) -> threading.Lock:
        if self._lock_pid != os.getpid():  # a lock that was held while forking is never released
            self._lock, self._lock_pid = threading.Lock(), os.getpid()
        return self._lock


class _Crew:
    """The workers of one `run_all`: they take turns at the flows, until none is left."""

    def __init__(self, driver: Driver, flows: Iterator[Flow[T]], done: Callable[[T], None]) -> None:
        self._driver = driver
        self._flows = flows
        self._done: Callable[[Any], None] = done
        self._turn = threading.Lock()
        self.stopped = threading.Event()
        self.error: BaseException | None = None

    def work(self) -> None:
        try:
            while (flow := self._next()) is not None:
                result = self._driver.run(flow, self._sleep)
                with self._turn:
                    self._done(result)
        except BaseException as error:  # noqa: BLE001 - of the caller's code (as is sys.exit's): the call raises it
            self.error = self.error or error
            self.stopped.set()

    def _next(self) -> Flow[Any] | None:
        with self._turn:
            return None if self.stopped.is_set() else next(self._flows, None)

    def _sleep(self, seconds: float) -> None:
        if self._driver.sleep is not time.sleep:
            self._driver.sleep(seconds)
        elif self.stopped.wait(seconds):
            raise InterruptedError("the call was interrupted")


class AsyncDriver:
    """Runs flows over an async transport, any number at a time, on whichever loop is running."""

    def __init__(self, transport: AsyncTransport, sleep: AsyncSleep | None = None) -> None:
        self.transport = transport
        self._sleep = sleep
        self._lock: tuple[asyncio.AbstractEventLoop, asyncio.Lock] | None = None

    async def run(self, flow: Flow[T]) -> T:
        """What the flow returns."""
        answer: Any = None
        failure: Failure | None = None
        try:
            while True:
                try:
                    effect = flow.send(answer) if failure is None else flow.throw(failure)
                except StopIteration as stop:
                    result: T = stop.value
                    return result
                answer = failure = None
                try:
                    if type(effect) is Send:  # nearly always
                        answer = await self.transport.send(effect.request)
                        if not isinstance(answer, Response):
                            raise _no_response(answer)
                    else:
                        answer = await self._perform(effect)
                except Failure as error:
                    failure = error
                except Exception as error:
                    if type(effect) is not Send:
                        raise
                    failure = _failure_of(error)
        finally:
            flow.close()

    async def run_all(
        self, flows: Iterator[Flow[T]], done: Callable[[T], None], width: int
    ) -> None:
        """Run all flows, `width` at a time, each result given to `done`; an error ends the call."""
        import asyncio

        async def work() -> None:
            for flow in flows:
                done(await self.run(flow))

        tasks = [asyncio.create_task(work()) for _ in range(width)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _perform(self, effect: Effect) -> Any:
        if isinstance(effect, Wait):
            log.info("%s; again in %.2f s", effect.why, effect.seconds)
            return await self._pause(effect.seconds)
        if isinstance(effect, Connect):
            connect = getattr(self.transport, "connect", None)
            return connect and await connect(effect.url, effect.timeout)
        assert isinstance(effect, Alone)
        async with self._alone():
            return await self.run(effect.flow)

    async def _pause(self, seconds: float) -> None:
        import asyncio

        await (self._sleep or asyncio.sleep)(seconds)

    def _alone(self) -> asyncio.Lock:
        import asyncio

        loop = asyncio.get_running_loop()
        if self._lock is None or self._lock[0] is not loop:
            self._lock = loop, asyncio.Lock()
        return self._lock[1]
