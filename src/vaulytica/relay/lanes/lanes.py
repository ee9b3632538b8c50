"""Lanes: one for each destination, looked after: begun, exchanged when their settings change, held up, drained."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from vaulytica.errors import OutboxDamagedError
from vaulytica.outbox.ports import AsyncOutbox
from vaulytica.relay.config import DestinationSettings
from vaulytica.relay.door.recent import Recent
from vaulytica.relay.lanes.budget import Budget
from vaulytica.relay.lanes.claims import LEASE
from vaulytica.relay.lanes.lane import RelayLane
from vaulytica.relay.lanes.transport import timed_transport
from vaulytica.relay.watching.watch import Watch

MOST_BYTES = 64 * 1024 * 1024  # of events that all lanes together have in memory
_AGAIN = 5.0  # seconds until a lane that has failed is begun anew
_GRACE = 5.0  # seconds that requests under way get when the time to drain is over


class Lanes:
    """`current` by destination. Those that are exchanged or removed end in their own time."""

    def __init__(self, outbox: AsyncOutbox, watch: Watch, recent: Recent) -> None:
        self._outbox, self._watch, self._recent = outbox, watch, recent
        self._budget = Budget(MOST_BYTES)
        self.current: dict[str, RelayLane] = {}
        self._ending: set[RelayLane] = set()
        self._draining = False
        self._tasks: set[asyncio.Task[None]] = set()

    def apply(self, destinations: Mapping[str, DestinationSettings]) -> dict[str, list[str]]:
        """Have a lane for each of these; lanes whose settings are the same live on. Names by what was done."""
        done: dict[str, list[str]] = {"added": [], "changed": [], "removed": []}
        for name in [name for name in self.current if name not in destinations]:
            self._retire(self.current.pop(name))
            done["removed"].append(name)
        for name, settings in destinations.items():
            lane = self.current.get(name)
            if lane is not None and lane.settings == settings:
                lane.resume()
                continue
            done["added" if lane is None else "changed"].append(name)
            before = None if lane is None else self._retire(lane)
            self._begin(name, settings, before)
        return done

    def _begin(
        self, name: str, settings: DestinationSettings, before: RelayLane | None = None
    ) -> None:
        counters = self._watch.metrics.of(name)
        lane = RelayLane(
            name,
            settings,
            self._outbox,
            budget=self._budget,
            recent=self._recent,
            watch=self._watch,
            transport=lambda settings: timed_transport(settings, counters),
        )
        self.current[name] = lane
        self._start(lane, before)

    def _start(self, lane: RelayLane, before: RelayLane | None) -> None:
        task = asyncio.create_task(self._life(lane, before))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _life(self, lane: RelayLane, before: RelayLane | None) -> None:
        if before is not None:  # two at a time would be more than the destination was promised
            await before.ended.wait()
        try:
            await lane.run()
        except Exception as error:  # noqa: BLE001 - one lane's fault must not be the others'
            self._watch.failed(lane.name, error)
            lane.abandon()
            await asyncio.sleep(_AGAIN)
            if self.current.get(lane.name) is lane and not self._draining:
                self._begin(lane.name, lane.settings)
        finally:
            lane.ended.set()
            self._ending.discard(lane)

    def _retire(self, lane: RelayLane) -> RelayLane:
        self._ending.add(lane)
        lane.stop()
        return lane

    # --- What the relay tells them.

    def wake(self, names: Iterable[str]) -> None:
        """Something was put for these."""
        for name in names:
            if (lane := self.current.get(name)) is not None:
                lane.wake()

    def due(self, seconds: Mapping[str, float]) -> None:
        """When something is due, by destination."""
        for name, wait in seconds.items():
            if (lane := self.current.get(name)) is not None:
                lane.due_in(wait)

    async def heed_pauses(self) -> None:
        """Heed what the outbox says is paused; and write down there what has said that it is gone."""
        paused = await self._outbox.paused()
        for name, lane in list(self.current.items()):
            pause = paused.get(name)
            if pause is None and lane.health.pause is None and lane.health.is_gone:
                why = "HTTP 410" if lane.health.why is None else lane.health.why.text
                pause = await self._outbox.pause(name, why, by_hand=False)
            lane.heed_pause(pause)

    async def hold(self) -> None:
        """Hold all claims for another lease."""
        lanes = (*self.current.values(), *self._ending)
        deliveries = [delivery for lane in lanes for delivery in lane.deliveries]
        if not deliveries:
            return
        try:
            await self._outbox.extend(deliveries, LEASE)
        except OutboxDamagedError:  # it may be one of them only
            for delivery in deliveries:
                with suppress(OutboxDamagedError):
                    await self._outbox.extend((delivery,), LEASE)

    @asynccontextmanager
    async def standing(self) -> AsyncIterator[dict[int, int]]:
        """All lanes have given way, see `RelayLane.give_way`; and meanwhile none of them claims anything."""
        lanes = (*self.current.values(), *self._ending)
        async with AsyncExitStack() as stack:
            for lane in lanes:
                await stack.enter_async_context(lane.claiming)
            yield {id: count for lane in lanes for id, count in lane.give_way().items()}

    # --- The end.

    async def drain(self, seconds: float, hurry: asyncio.Event) -> None:
        """Deliver what can be delivered in that time, then end; at once if somebody is in a `hurry`."""
        self._draining = True
        until = time.monotonic() + seconds
        for lane in self.current.values():
            lane.drain(until)
        if not await self._ended(seconds, hurry):
            for lane in self.current.values():
                lane.stop()
            if not await self._ended(_GRACE, hurry):
                for lane in (*self.current.values(), *self._ending):
                    lane.abandon()
                await self._ended(_GRACE, asyncio.Event())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _ended(self, seconds: float, hurry: asyncio.Event) -> bool:
        """Whether all have ended in that time."""
        tasks: Collection[asyncio.Task[None]] = list(self._tasks)
        if not tasks:
            return True
        hurrying = asyncio.create_task(hurry.wait())
        every = asyncio.gather(*tasks, return_exceptions=True)
        try:
            await asyncio.wait(
                (hurrying, every), timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
            return every.done()
        finally:
            hurrying.cancel()
