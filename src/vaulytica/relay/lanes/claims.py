"""Claims: what one lane takes out of the outbox, and when it is worth to look there."""

from __future__ import annotations

from math import inf

from vaulytica.delivery.destination import Destination
from vaulytica.errors import OutboxError
from vaulytica.outbox.delivery import Delivery
from vaulytica.outbox.ports import AsyncOutbox
from vaulytica.relay.lanes.linger import Linger
from vaulytica.relay.lanes.slots import Slots
from vaulytica.relay.lanes.writer import AGAIN
from vaulytica.relay.watching.watch import Watch

LEASE = 60.0  # seconds; the relay extends what is under way long before that
_MOST_EVENTS = 10_000  # of one claim
_SOON = 0.1  # seconds


class Claims:
    """`slots` knows what there may be."""

    def __init__(
        self,
        name: str,
        outbox: AsyncOutbox,
        destination: Destination,
        watch: Watch,
        *,
        in_order: bool,
    ) -> None:
        self._name, self._outbox, self._watch = name, outbox, watch
        self._most = destination.limits.max_events
        # An event's age is looked at: those of one key are not of the same.
        self._together = 0 if destination.retry.deadline is not None else self._most
        self._linger = Linger(0.0 if self._most == 1 else destination.max_wait)
        self.slots = Slots(destination.width, in_order=in_order)
        self._not_before = -inf  # after the outbox could not be asked

    async def take(
        self, now: float, requests: int, *, is_busy: bool, hold: float = 0.0
    ) -> list[Delivery] | float:
        """What is due, for so many requests; or seconds until it may be worth to look again, 0 for at once.

        Infinity: until something changes. `is_busy`: others are under way, so there is time to gather.
        `hold`: for so many seconds nothing that was tried before may begin.
        """
        slots = self.slots
        if not slots.has_work(now):
            return slots.wait(now)
        wait = self._linger.wait(now, is_busy=is_busy and not slots.plenty)
        wait = max(wait, self._not_before - now)
        if wait > 0:
            return wait
        kind = slots.next_kind(held=hold > 0)
        if kind is None:
            return hold or inf  # or one that is tried again has ended, or something fresh has come
        count = min(slots.bound(kind, requests) * self._most, _MOST_EVENTS)
        slots.asking(kind)
        try:
            claimed = await self._outbox.claim(
                self._name, count, LEASE, only=kind.only, together=self._together
            )
        except OutboxError as error:
            self._watch.not_written(self._name, error)
            slots.see()
            self._not_before = now + AGAIN
            return AGAIN
        if not claimed:
            return 0.0  # there may be some of the other kind
        slots.found(kind, plenty=sum([one.events for one in claimed]) >= count // 2)
        return claimed

    async def left(self, now: float) -> float:
        """Seconds until something is due, as the outbox has it: there may be more than the slots know of."""
        try:
            wait = (await self._outbox.due(self._name)).get(self._name, inf)
        except OutboxError:
            return AGAIN
        if wait <= 0:  # it came meanwhile, or is somebody else's to claim
            self.slots.see()
            return _SOON
        if wait < inf:
            self.slots.first_due(now + wait)
        return wait
