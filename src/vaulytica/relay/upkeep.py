"""Upkeep: what has to be done from time to time, for all lanes at once, so that a lane at rest costs nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from vaulytica.errors import OutboxError
from vaulytica.outbox.ports import AsyncOutbox
from vaulytica.relay.door.door import Door
from vaulytica.relay.keeping import Keeping
from vaulytica.relay.lanes.claims import LEASE
from vaulytica.relay.lanes.lanes import Lanes
from vaulytica.relay.watching.notify import ALIVE, notify, watchdog_every
from vaulytica.relay.watching.watch import Watch

_LOOK_EVERY, _LOOK_COST = 2.0, 0.005  # seconds; and the most of the time that may be spent so
_COUNT_EVERY = _TRY_EVERY = 1.0
_TIDY_EVERY, _TIDY_PAUSE = 10.0, 0.05


class Upkeep:
    """Tasks that run until they are cancelled."""

    def __init__(
        self, outbox: AsyncOutbox, lanes: Lanes, door: Door, keeping: Keeping, watch: Watch
    ) -> None:
        self._outbox, self._lanes, self._door = outbox, lanes, door
        self._room = door.room
        self._keeping, self._watch = keeping, watch

    def jobs(self) -> list[Callable[[], Coroutine[Any, Any, None]]]:
        """Each is to run on its own."""
        return [self.hold, self.look, self.count, self.keep, self.tidy, self.watchdog]

    async def hold(self) -> None:
        """Hold the claims of what is under way."""
        while True:
            await asyncio.sleep(LEASE / 3)
            with suppress(OutboxError):  # it says so by itself when it settles
                await self._lanes.hold()

    async def look(self) -> None:
        """See what is due: at the start, and what others have put or replayed since."""
        while True:
            began = time.perf_counter()
            with suppress(OutboxError):
                await self._lanes.heed_pauses()
                self._lanes.due(await self._outbox.due())
            took = time.perf_counter() - began
            await asyncio.sleep(max(_LOOK_EVERY, took / _LOOK_COST))

    async def count(self) -> None:
        """Know how full the outbox is, where that matters."""
        while True:
            if self._room.is_bounded:
                with suppress(OutboxError):
                    await self.count_once()
            self._watch.say_dropped()
            self._door.answers.say()
            await asyncio.sleep(_COUNT_EVERY)

    async def count_once(self) -> None:
        """The same, now."""
        ended = self._room.ended
        counts = await self._outbox.counts()
        pending = sum(count.pending for count in counts.values())
        self._room.know(pending, await self._outbox.used_bytes(), ended)

    async def keep(self) -> None:
        """Know whether events can be kept, also while none come."""
        while True:
            await asyncio.sleep(_TRY_EVERY)
            if self._keeping.is_in_doubt:
                await self._keeping.look()

    async def tidy(self) -> None:
        """Throw away what is past its time, a bounded part at a time."""
        while True:
            await asyncio.sleep(_TIDY_EVERY)
            with suppress(OutboxError):
                while await self._outbox.tidy():
                    await asyncio.sleep(_TIDY_PAUSE)

    async def watchdog(self) -> None:
        """Tell systemd that the relay is alive, which it is if this loop turns."""
        every = watchdog_every()
        while every is not None:
            notify(ALIVE)
            await asyncio.sleep(every)
