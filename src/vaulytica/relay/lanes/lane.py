"""RelayLane: one destination's worker. It claims what is due, sends it as its pace allows, and settles it.

It sleeps until something is put, something is due again, or a request has ended. Where a sender would
wait, the wait is written into the outbox: a batch that is to be tried again holds no slot.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from math import inf

from vaulytica.delivery.kept import Redelivery
from vaulytica.delivery.lane import Lane
from vaulytica.delivery.outcome import Reason, ReasonKind
from vaulytica.delivery.policy import Random
from vaulytica.delivery.ports import AsyncTransport, Clock
from vaulytica.driver.aio import AsyncDriver
from vaulytica.errors import one_line
from vaulytica.outbox.delivery import Delivery, Pause, Verdict
from vaulytica.outbox.ports import AsyncOutbox
from vaulytica.outbox.states import State
from vaulytica.outbox.work import Errand, Work
from vaulytica.relay.config import DestinationSettings
from vaulytica.relay.door.recent import Recent
from vaulytica.relay.lanes.budget import Budget
from vaulytica.relay.lanes.claims import Claims
from vaulytica.relay.lanes.ending import Ending
from vaulytica.relay.lanes.health import Health
from vaulytica.relay.lanes.signal import Signal
from vaulytica.relay.lanes.turns import Turns
from vaulytica.relay.lanes.writer import Writer
from vaulytica.relay.watching.watch import Watch

_LONGEST_TURN = 5.0  # seconds that a claimed batch waits to begin; then it goes back
_CHUNK = 16  # requests' worth of a delivery's events taken in hand at a time, for each slot


class RelayLane:
    """See above. `name` is the destination's; `transport` is made when it is first needed."""

    def __init__(
        self,
        name: str,
        settings: DestinationSettings,
        outbox: AsyncOutbox,
        *,
        budget: Budget,
        recent: Recent,
        watch: Watch,
        transport: Callable[[DestinationSettings], AsyncTransport],
        clock: Clock = time,
        rng: Random = random,
    ) -> None:
        self.name, self.settings = name, settings
        self._budget, self._watch, self._make_transport = budget, watch, transport
        self._clock, self._rng = clock, rng
        self._driver: AsyncDriver | None = None
        destination = settings.destination()
        # Nobody waits for an answer here, so a destination is excused for an outage from the first on.
        # With one request at a time, nothing else could tell whether it is down.
        apart = destination.width > 1 and destination.pace.concurrency > 1
        self.lane = Lane(destination, known=True, apart=apart)
        self.health = Health()
        self._claims = Claims(name, outbox, destination, watch, in_order=settings.is_ordered)
        self.slots = self._claims.slots
        self._turns = Turns(self.lane.pace, self.health, self.slots)
        most = destination.limits.max_events
        chunk = most if settings.is_ordered else most * destination.width * _CHUNK
        self._work = Work(self.lane, chunk, recent.read)
        self._changed = Signal()
        self._writer = Writer(name, outbox, self._written, self._changed.set, watch)
        self._held_bytes = 0
        self.claiming = asyncio.Lock()  # who holds it knows that nothing is being claimed
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending = Ending()
        self.ended = asyncio.Event()

    def wake(self) -> None:
        """Something was put for it."""
        self.slots.fresh = True
        self._changed.set()

    def look(self) -> None:
        """There may be something to do."""
        self.slots.see()
        self._changed.set()

    def due_in(self, seconds: float) -> None:
        """Something is due then, as one sees who looks into the outbox."""
        if seconds > 0:
            self.slots.first_due(self._clock.monotonic() + seconds)
            self._changed.set()
        else:
            self.look()

    def resume(self) -> None:
        """Try a destination that is gone, or suspended, at once."""
        self.health.resume()
        self.look()

    def heed_pause(self, pause: Pause | None) -> None:
        """What the outbox says of it."""
        if self.health.heed_pause(pause):
            self._watch.paused(self, pause)
            self.look()

    def give_way(self) -> dict[int, int]:
        """Put back what is not under way; of each delivery, how many of its first events may be."""
        verdicts, begun = self._work.give_way(self._turns.give_way())
        self._write(verdicts)
        return begun

    @property
    def deliveries(self) -> list[Delivery]:
        """What it has claimed: the relay holds these claims."""
        return [*self._work.held, *self._writer.deliveries]

    @property
    def in_flight(self) -> int:
        """Batches under way."""
        return self._turns.in_flight

    # --- Its life.

    async def run(self) -> None:
        """Until it is stopped, or `drain` was called and nothing more can be sent in time."""
        while True:
            wait = await self._step()
            if not self._tasks and self._ending.is_stopping:
                break
            if wait > 0:
                await self._changed.wait(wait)
        self._retreat()
        await self._writer.finish(is_last=self._ending.is_draining)
        if self._driver is not None:
            await self._driver.transport.aclose()

    def drain(self, until: float) -> None:
        """End when nothing more can be sent until then, by the lane's clock."""
        self._ending.drain(until)
        self._changed.set()

    def stop(self) -> None:
        """Begin nothing more; end when what is under way has ended."""
        self._ending.stop()
        self._changed.set()

    def abandon(self) -> None:
        """End at once: requests under way are cut off, and what they carry is sent again some day."""
        self.stop()
        self._writer.give_up()
        for task in self._tasks:
            task.cancel()

    async def _step(self) -> float:
        """Do what can be done; seconds to wait for more, infinity until something changes."""
        if self._ending.is_stopping:
            self._retreat()
            return inf
        now = self._clock.monotonic()
        wait = inf if self._writer.is_stuck else self._turns.wait(now)
        if wait <= 0 and (errand := self._turns.next(now)) is not None:
            self._begin(errand)
            return 0.0
        if (
            wait <= 0
            or self.health.is_held_up
            or (self._turns.is_down and not self._ending.is_draining)
        ):
            self._retreat()  # what may not begin now makes room for what may
        may_end = self._ending.is_draining and not self._tasks and not self._writer.is_writing
        is_in_vain = may_end and self._ending.is_over(now, wait)
        # One that drains has to know, too, whether there is anything to wait for.
        if not self._turns and (wait <= 0 or (may_end and not is_in_vain)):
            wait = max(wait, before := await self._claim(now, may_end=may_end))
            if before <= 0:
                return 0.0
        if may_end and self._ending.is_over(now, wait):
            self._ending.stop()
            return 0.0
        if _LONGEST_TURN < wait < inf and not self._ending.is_draining:
            self._retreat()
        return wait

    # --- Claiming.

    async def _claim(self, now: float, *, may_end: bool) -> float:
        """Take what is due, for the slots that are free; seconds until it may be worth to look again."""
        if self._budget.is_spent and self._work.held and self.slots.has_work(now):
            self._budget.wake_when_free(self._changed.set)
            return inf
        hold = self._turns.hold(now)
        self.slots.allow(self.lane.pace.limit, self.lane.pace.limit_again)
        async with self.claiming:
            is_busy = bool(self._tasks) and not self._ending.is_draining
            found = await self._claims.take(now, self._turns.free, is_busy=is_busy, hold=hold)
            if not isinstance(found, float):
                errands, verdicts = self._work.begin(found, self._clock, self._rng)
                self._turns.add(errands)
                self._write(verdicts)
                return 0.0
        if may_end and found != hold and self._ending.is_over(now, found):
            return await self._claims.left(now)
        return found

    def _retreat(self) -> None:
        """Put back what was claimed and is not under way."""
        if self._turns:
            self.give_way()

    def _write(self, verdicts: Sequence[Verdict]) -> None:
        """Have verdicts written, and know how much is in memory."""
        self._writer.put(verdicts)
        held = sum([len(delivery.body) for delivery in self._work.held])
        self._budget.change(held - self._held_bytes)
        self._held_bytes = held

    # --- Sending.

    def _begin(self, errand: Errand) -> None:
        if self._driver is None:
            self._driver = AsyncDriver(self._make_transport(self.settings))
        self._turns.begin(errand)
        task = asyncio.create_task(self._send(self._driver, errand))
        self._tasks.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            self._turns.ended(errand)
            self._changed.set()
            if not task.cancelled():
                task.result()

        task.add_done_callback(ended)

    async def _send(self, driver: AsyncDriver, errand: Errand) -> None:
        self._turns.asks()
        is_last = self._ending.is_draining and self._turns.is_down
        try:
            made = await driver.run(errand.flow)
        except Exception as error:  # noqa: BLE001 - of a format or scheme, which may be anybody's
            text = f"{self.lane.destination.format.name} failed: {type(error).__name__}: {error}"
            reason = Reason(ReasonKind.REJECTED, self.lane.destination.redact(one_line(text)))
            self._watch.deferred(self, reason)
            after = self.lane.destination.retry.max_delay
            self._write(self._work.put_back(errand, reason, after))
            return
        self._heed(made)
        if is_last and self._turns.is_down:
            self.stop()
        self._write(self._work.take(errand, made))

    def _heed(self, made: Redelivery) -> None:
        """What the answers tell of the destination as a whole."""
        news = self.health.heed(made, self._clock.monotonic())
        self.lane.doubted = self.health.is_doubted
        if news is not None:
            self._watch.changed(self, news)
        if made.settlement.groups:
            self._watch.taken(self)
            return
        failed = next((later.tried[-1] for later in made.later if later.tried), None)
        if failed is not None:
            self._watch.deferred(self, failed.reason)

    # --- Settling.

    def _written(self, verdicts: Sequence[Verdict], lost: Sequence[Delivery]) -> None:
        self._watch.written(self.name)
        now = self._clock.monotonic()
        gone = {delivery.id for delivery in lost}
        for verdict in verdicts:
            if verdict.delivery.id in gone:
                continue
            for part in verdict.parts:
                if part.state is State.DEFERRED:
                    self.slots.put_back(part, now)
                self._watch.settled(self, verdict.delivery, part)
        if self.slots.in_order:
            self.slots.fresh = True  # the next of the keys may go
        if lost:
            self._watch.lost(self, lost)
        self._changed.set()
