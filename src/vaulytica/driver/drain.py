"""Drains: deliver what an outbox has for one destination, in this process; with threads or with asyncio.

What is to be tried again goes back into the outbox with the time when it is due: nothing is lost, and
no attempt forgotten, whenever the process ends.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import msgspec

from vaulytica.delivery.kept import Redelivery
from vaulytica.delivery.lane import Lane
from vaulytica.delivery.policy import Random
from vaulytica.delivery.ports import Clock
from vaulytica.driver.aio import AsyncDriver
from vaulytica.driver.sync import Driver
from vaulytica.outbox.delivery import Pause, Verdict
from vaulytica.outbox.ports import AsyncOutbox, Outbox
from vaulytica.outbox.work import Errand, Work

_LEASE = 60.0  # seconds; extended while the work goes on
_CLAIM = 1000  # events at a time


class Drained(msgspec.Struct, frozen=True):
    """What a drain has done: events delivered, given up on, and put off until they are due again.

    `down`: why it stopped early, the rest being left as it is; None if nothing more was due.
    """

    delivered: int
    dead: int
    deferred: int
    down: str | None = None


def _stop(work: Work) -> str | None:
    """Why to stop early."""
    if work.down is None and work.wait:
        return f"it is busy, or does not answer; again in {work.wait:.0f} s"
    return work.down


def _sum(work: Work, pause: Pause | None) -> Drained:
    down = _stop(work)
    if down is None and pause is not None:
        down = f"it is paused: {pause.why}"
    return Drained(work.delivered, work.dead, work.deferred, down)


class Drain:
    """With threads: `run` claims and settles, its workers send."""

    def __init__(
        self, outbox: Outbox, name: str, lane: Lane, driver: Driver, *, clock: Clock, rng: Random
    ) -> None:
        self._outbox, self._name, self._lane, self._driver = outbox, name, lane, driver
        self._clock, self._rng = clock, rng
        self._work = Work(lane)
        self._extended = clock.monotonic()
        self._stopped = threading.Event()
        self._running: dict[Future[Redelivery], Errand] = {}

    def run(self) -> Drained:
        """Until nothing is due, or the destination is plainly down."""
        pool = ThreadPoolExecutor(self._lane.destination.width, "vaulytica-drain")
        try:
            while self._fill(pool) or self._running:
                done, _ = wait(self._running, _LEASE / 3, FIRST_COMPLETED)
                self._hold()
                verdicts: list[Verdict] = []
                for future in done:
                    verdicts += self._work.take(self._running.pop(future), future.result())
                self._settle(verdicts)
        finally:
            self._stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
        return _sum(self._work, self._outbox.paused().get(self._name))

    def _fill(self, pool: ThreadPoolExecutor) -> bool:
        """Begin more where there is room; whether anything was claimed."""
        if _stop(self._work) or len(self._running) >= self._lane.destination.width:
            return False
        deliveries = self._outbox.claim(self._name, _CLAIM, _LEASE)
        errands, verdicts = self._work.begin(deliveries, self._clock, self._rng)
        for errand in errands:
            self._running[pool.submit(self._driver.run, errand.flow, self._stopped)] = errand
        self._settle(verdicts)
        return bool(deliveries)

    def _hold(self) -> None:
        """Extend the claims in time."""
        now = self._clock.monotonic()
        if now - self._extended > _LEASE / 3:
            self._outbox.extend(self._work.held, _LEASE)
            self._extended = now

    def _settle(self, verdicts: Iterable[Verdict]) -> None:
        if verdicts := list(verdicts):
            self._outbox.settle(verdicts)


class AsyncDrain:
    """With asyncio: the same, in tasks."""

    def __init__(
        self,
        outbox: AsyncOutbox,
        name: str,
        lane: Lane,
        driver: AsyncDriver,
        *,
        clock: Clock,
        rng: Random,
    ) -> None:
        self._outbox, self._name, self._lane, self._driver = outbox, name, lane, driver
        self._clock, self._rng = clock, rng
        self._work = Work(lane)
        self._extended = clock.monotonic()
        self._running: dict[asyncio.Task[Redelivery], Errand] = {}

    async def run(self) -> Drained:
        """Until nothing is due, or the destination is plainly down."""
        try:
            while await self._fill() or self._running:
                if not self._running:
                    continue
                done, _ = await asyncio.wait(
                    self._running, timeout=_LEASE / 3, return_when=asyncio.FIRST_COMPLETED
                )
                await self._hold()
                verdicts: list[Verdict] = []
                for task in done:
                    verdicts += self._work.take(self._running.pop(task), task.result())
                await self._settle(verdicts)
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)
        paused = await self._outbox.paused()
        return _sum(self._work, paused.get(self._name))

    async def _fill(self) -> bool:
        if _stop(self._work) or len(self._running) >= self._lane.destination.width:
            return False
        deliveries = await self._outbox.claim(self._name, _CLAIM, _LEASE)
        errands, verdicts = self._work.begin(deliveries, self._clock, self._rng)
        for errand in errands:
            task = asyncio.create_task(self._driver.run(errand.flow))
            self._running[task] = errand
        await self._settle(verdicts)
        return bool(deliveries)

    async def _hold(self) -> None:
        now = self._clock.monotonic()
        if now - self._extended > _LEASE / 3:
            await self._outbox.extend(self._work.held, _LEASE)
            self._extended = now

    async def _settle(self, verdicts: Iterable[Verdict]) -> None:
        if verdicts := list(verdicts):
            await self._outbox.settle(verdicts)
