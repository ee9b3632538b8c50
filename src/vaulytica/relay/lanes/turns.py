"""Turns: what of a lane's errands may begin now, and when the next may. Pure: time is an argument."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from math import inf

from vaulytica.delivery.breaker import State as Breaker
from vaulytica.delivery.pace import Pace
from vaulytica.outbox.work import Errand
from vaulytica.relay.lanes.health import Health
from vaulytica.relay.lanes.slots import Slots


class Turns:
    """Errands wait in it in the order in which they were claimed; some may have to wait longer than others.

    `in_flight`: those that have begun.
    """

    def __init__(self, pace: Pace, health: Health, slots: Slots) -> None:
        self._pace, self._health, self._slots = pace, health, slots
        self._ready: deque[Errand] = deque()
        self.in_flight = 0
        self._starting = 0  # of these, those that have not asked their pace yet

    def __bool__(self) -> bool:
        """Whether any wait."""
        return bool(self._ready)

    @property
    def is_down(self) -> bool:
        """Whether requests only find out whether the destination is back."""
        return self._health.why is not None or self._pace.state is not Breaker.CLOSED

    @property
    def free(self) -> int:
        """Requests that are worth claiming for."""
        if self._pace.state is not Breaker.CLOSED:
            return 1
        return min(self._slots.width - self.in_flight, int(self._pace.limit) or 1)

    def add(self, errands: Iterable[Errand]) -> None:
        """These were claimed."""
        self._ready += errands

    def give_way(self) -> list[Errand]:
        """Those that wait, which wait no more."""
        errands, self._ready = list(self._ready), deque()
        return errands

    def begin(self, errand: Errand) -> None:
        """It is under way."""
        self.in_flight += 1
        self._starting += 1
        self._slots.retrying += errand.again

    def asks(self) -> None:
        """One that has begun asks its pace now."""
        self._starting -= 1

    def ended(self, errand: Errand) -> None:
        """It is not under way any more."""
        self.in_flight -= 1
        self._slots.retrying -= errand.again

    def wait(self, now: float) -> float:
        """Seconds until a request may begin; infinity until one has ended."""
        if self.in_flight >= self._slots.width:
            return inf
        wait = self._health.wait(now)
        if wait > 0:
            return wait
        if self._health.why is not None and self.in_flight:
            return inf  # one at a time, to see whether it is back
        pace = self._pace
        if self._starting and pace.in_flight + self._starting + 1 > pace.limit:
            return inf
        return pace.wait(now)

    def hold(self, now: float) -> float:
        """The same of one that was tried before, where others may begin now."""
        pace = self._pace
        if self._slots.retrying + 1 > pace.limit_again:
            return inf
        return pace.wait(now, again=True)

    def next(self, now: float) -> Errand | None:
        """The first that may begin now; None if that is none of these."""
        if self._ready and self._ready[0].again and self.hold(now) > 0:
            for errand in self._ready:
                if not errand.again:
                    self._ready.remove(errand)
                    return errand
            return None
        return self._ready.popleft() if self._ready else None
