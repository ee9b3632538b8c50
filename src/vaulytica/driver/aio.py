"""The driver for asyncio."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from vaulytica.delivery.ports import (
    Alone,
    AsyncTransport,
    Connect,
    Effect,
    Flow,
    Send,
    T,
    Turn,
    Wait,
)
from vaulytica.delivery.request import Response
from vaulytica.driver.faults import failure_of, no_response
from vaulytica.errors import Failure

if TYPE_CHECKING:
    import asyncio

log = logging.getLogger("vaulytica")

_LONGEST_WAIT = 60.0  # seconds, for a turn; then it asks again

AsyncSleep = Callable[[float], Awaitable[object]]


class AsyncDriver:
    """Runs flows over an async transport, any number at a time, on whichever loop is running."""

    def __init__(self, transport: AsyncTransport, sleep: AsyncSleep | None = None) -> None:
        self.transport = transport
        self._sleep = sleep
        self._waiting: set[asyncio.Future[None]] = set()  # for a turn
        self._lock: tuple[asyncio.AbstractEventLoop, asyncio.Lock] | None = None

    async def run(self, flow: Flow[T]) -> T:  # noqa: C901 - a branch for each effect that is frequent
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
                            raise no_response(answer)
                    elif type(effect) is Turn:
                        while (seconds := effect.ask()) > 0:
                            await self._turn_of_another(seconds)
                        if self._waiting:
                            self._wake()
                    else:
                        answer = await self._perform(effect)
                except Failure as error:
                    failure = error
                except Exception as error:
                    if type(effect) is not Send:
                        raise
                    failure = failure_of(error)
        finally:
            flow.close()

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

    async def _turn_of_another(self, seconds: float) -> None:
        import asyncio

        if self._sleep is not None and seconds < math.inf:  # a test's own clock
            await self._sleep(seconds)
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.add(turn)
        try:
            await asyncio.wait((turn,), timeout=min(seconds, _LONGEST_WAIT))
        finally:
            self._waiting.discard(turn)

    def _wake(self) -> None:
        for turn in self._waiting:
            if not turn.done():
                turn.set_result(None)
        self._waiting.clear()

    async def _pause(self, seconds: float) -> None:
        import asyncio

        await (self._sleep or asyncio.sleep)(seconds)

    def _alone(self) -> asyncio.Lock:
        import asyncio

        loop = asyncio.get_running_loop()
        if self._lock is None or self._lock[0] is not loop:
            self._lock = loop, asyncio.Lock()
        return self._lock[1]
