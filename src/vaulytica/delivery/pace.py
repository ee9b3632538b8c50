"""Pace: how fast to send to one destination, learnt from everything it says. Pure: time is an argument.

Four things hold a request back: what the destination asked for (a hold), the rate limit, the breaker,
and how many are in flight. Theory: docs/PACE.md.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from vaulytica.delivery.breaker import State
from vaulytica.delivery.breakers import Breakers
from vaulytica.delivery.concurrency import Concurrency
from vaulytica.delivery.rate import Rate
from vaulytica.delivery.times import FOREVER

_LATELY = 60.0  # seconds


class Heard(StrEnum):
    """What an attempt has told of the destination."""

    WELL = "well"  # it took the request (or refused it for the events' own sake)
    BUSY = "busy"  # it asks for less: 429, 503, a full queue
    FAILED = "failed"  # no answer, or a fault of its own
    PROXY = "proxy"  # a proxy failed on the way: no fault of the destination's, nor the batch's
    UNREACHED = "unreached"  # no connection: a failure that cannot be the batch's


class Signal(msgspec.Struct, frozen=True):
    """One attempt as the controller sees it. `hold`: the wait asked for, in seconds.

    `again`: the same batch may have met a fault before; False if it surely has not.
    """

    heard: Heard
    latency: float
    delivered: int = 0
    hold: float | None = None
    again: bool = True


class PaceSettings(msgspec.Struct, frozen=True):
    """Bounds: requests in flight, events and bytes a second, and when the breaker opens.

    All times in seconds. `max_hold`: the longest wait a destination may ask for. `pause` to
    `max_pause`: the wait when it is busy without saying how long. `open_after` failures in a row the
    breaker opens, for `cool_down` to `max_cool_down`.
    """

    concurrency: int = 8
    events_per_second: float | None = None
    bytes_per_second: float | None = None
    max_hold: float = 3600.0
    pause: float = 0.25
    max_pause: float = 30.0
    open_after: int = 5
    cool_down: float = 1.0
    max_cool_down: float = 30.0


class Pace:
    """Decides when the next attempt may begin. Not locked: its users take turns.

    `known`: the destination has taken events before, so it may be excused for what it does not take.
    `apart`: what was tried before has a breaker of its own. `again`, in what follows: that is asked for.
    """

    def __init__(
        self, settings: PaceSettings = PaceSettings(), *, known: bool = False, apart: bool = False
    ) -> None:
        self.settings = settings
        self.in_flight = 0
        self.retries = 0  # attempts that were not the first of their batch
        self._concurrency = Concurrency(settings.concurrency)
        self._breakers = Breakers(
            settings.open_after, settings.cool_down, settings.max_cool_down, apart=apart
        )
        self._events = Rate(settings.events_per_second) if settings.events_per_second else None
        self._bytes = Rate(settings.bytes_per_second) if settings.bytes_per_second else None
        self._held_until = -FOREVER  # as the destination asked
        self._paused_until = -FOREVER  # as we think best
        self._pause = settings.pause
        self._has_delivered = known
        self._fault_at: float | None = None  # the last fault, if nothing was delivered since
        # When the last two batches were first told that it is busy.
        self._busy_at = (-FOREVER, -FOREVER)

    @property
    def limit(self) -> float:
        """Requests that may be in flight now; a fraction grows to the next whole one."""
        return self._concurrency.limit

    @property
    def state(self) -> State:
        """The breaker's."""
        return self._breakers.state

    @property
    def limit_again(self) -> float:
        """Of these, so many may be of what was tried before: 1 while its breaker is not closed."""
        return min(self.limit, self._breakers.limit_again)

    def admit(
        self,
        now: float,
        events: int,
        size: int,
        *,
        patient: bool = True,
        held: bool = True,
        again: bool = False,
    ) -> float:
        """0 if an attempt with so many events and bytes may begin now (it has); else seconds to wait.

        Infinity: until another attempt has ended. An impatient caller has a schedule of its own: only
        rate limits keep it, and holds unless it is not `held` by them, as it would not wait for a retry.
        """
        wait = self.hold(now) if held else 0.0
        if patient:
            if self.in_flight + 1 > self._concurrency.limit:
                return FOREVER
            wait = max(wait, self._paused_until - now)
        if wait <= 0 and self._events is not None:
            wait = self._events.wait(now, events)
        if wait <= 0 and self._bytes is not None:
            wait = self._bytes.wait(now, size)
        if wait <= 0 and patient:
            wait = self._breakers.wait(now, again=again)
        if wait > 0:
            return wait
        if patient:
            self._breakers.begin(now, again=again)
        if self._events is not None:
            self._events.take(now, events)
        if self._bytes is not None:
            self._bytes.take(now, size)
        self.in_flight += 1
        return 0.0

    def hold(self, now: float) -> float:
        """Seconds that are left of the wait which the destination asked for."""
        return max(0.0, self._held_until - now)

    def wait(self, now: float, *, again: bool = False) -> float:
        """Seconds until a patient attempt might begin: 0 now, infinity when another has ended."""
        if self.in_flight + 1 > self._concurrency.limit:
            return FOREVER
        wait = max(self._held_until, self._paused_until) - now
        for rate in (self._events, self._bytes):
            if rate is not None:
                wait = max(wait, rate.wait(now, 1))
        return wait if wait > 0 else self._breakers.wait(now, again=again)

    def held(self, now: float) -> float:
        """Seconds for which the destination has asked to be left alone; 0 if it has not."""
        return max(0.0, self._held_until - now)

    def is_calm(self, now: float) -> bool:
        """Whether there is nothing to keep an impatient caller, and nothing new in what goes well.

        Such an attempt need not be admitted, and `heed` is told so, if it is told anything.
        """
        return (
            self._has_delivered
            and self._fault_at is None
            and self._held_until <= now
            and self._breakers.are_closed
            and self._events is self._bytes is None
        )

    def heed(self, now: float, signal: Signal, *, admitted: bool = True) -> bool:
        """An attempt has ended; whether its fault, if any, is the whole destination's."""
        if signal.hold:
            self._held_until = max(self._held_until, now + min(signal.hold, self.settings.max_hold))
        heard = signal.heard
        if heard is Heard.WELL or signal.delivered:
            excused = self._well(now, signal)
        else:
            excused = self._fault(now, signal)
        if admitted:
            self._end()
        return excused

    def leave(self) -> float:
        """An admitted attempt has ended, and tells nothing of the destination. Always 0."""
        self._end()
        return 0.0

    def _end(self) -> None:
        self.in_flight -= 1
        if not self.in_flight:
            self._breakers.idle()

    def _well(self, now: float, signal: Signal) -> bool:
        """It took the request, or some of it; whether what it did not take is to be excused."""
        if signal.delivered:
            self._has_delivered = True
        self._fault_at = None
        self._pause = self.settings.pause
        if self._breakers.well(now, again=signal.again):
            self._concurrency.restart(now)
        if signal.heard is not Heard.BUSY:
            self._concurrency.well(now, signal.latency)
            return False
        self._concurrency.busy(now, now - signal.latency, gently=True)
        return self._is_busy_lately(now, signal) or bool(signal.hold)

    def _fault(self, now: float, signal: Signal) -> bool:
        """Slow down as the fault demands; whether it is the whole destination's: see docs/PACE.md."""
        began = now - signal.latency
        again = signal.again
        self._breakers.failed(now, began, again=again, busy=signal.heard is Heard.BUSY)
        if signal.heard is Heard.BUSY:
            self._slow_down(now, began, signal.hold)
        else:
            self._concurrency.failed(now, signal.latency)
        others = self._is_met_by_others(now, began, signal)
        if signal.heard is Heard.PROXY or (signal.heard is Heard.BUSY and signal.hold):
            return True
        return self._has_delivered and (
            others or signal.heard is Heard.UNREACHED or self._breakers.excuse(began, again=again)
        )

    def _is_met_by_others(self, now: float, began: float, signal: Signal) -> bool:
        """Whether another batch has met a fault since the last delivery, or is told lately to wait."""
        before, self._fault_at = self._fault_at, now
        if signal.heard is Heard.BUSY:
            lately = self._is_busy_lately(now, signal)
            return lately or before is not None
        # Two that were under way at the same time are not the same batch.
        return before is not None and (began < before or not signal.again)

    def _is_busy_lately(self, now: float, signal: Signal) -> bool:
        """Whether another batch, too, was told within a minute that the destination is busy."""
        earlier, last = self._busy_at
        if signal.again:
            return now - earlier < _LATELY  # of two batches one is another
        self._busy_at = last, now
        return now - last < _LATELY

    def _slow_down(self, now: float, began: float, hold: float | None) -> None:
        if self._concurrency.busy(now, began) and not hold:
            self._paused_until = now + self._pause
            self._pause = min(2 * self._pause, self.settings.max_pause)
