"""Breaker: stops sending to a destination that is down, and finds out with one request when it is back.

Theory: docs/PACE.md. Requests that were under way when the state changed belong to the time before;
what becomes of them moves nothing, but that something was delivered always closes the breaker.
"""

from __future__ import annotations

from enum import StrEnum

from vaulytica.delivery.times import FOREVER, SLACK


class State(StrEnum):
    """Whether requests go through."""

    CLOSED = "closed"  # they do
    OPEN = "open"  # none does, until the cool-down is over
    HALF_OPEN = "half_open"  # one does: the probe


class Event(StrEnum):
    """What moves the breaker."""

    TOO_MANY = "too many failures in a row"
    PROBING = "after the cool-down a probe begins"
    FAILED = "the probe failed"
    WELL = "a request went well"


TRANSITIONS = {
    (State.CLOSED, Event.TOO_MANY): State.OPEN,
    (State.OPEN, Event.PROBING): State.HALF_OPEN,
    (State.OPEN, Event.WELL): State.CLOSED,
    (State.HALF_OPEN, Event.FAILED): State.OPEN,
    (State.HALF_OPEN, Event.WELL): State.CLOSED,
}


class Breaker:
    """Opens after so many failures in a row; each cool-down in a row is twice as long, up to a bound."""

    def __init__(self, open_after: int, cool_down: float, max_cool_down: float) -> None:
        self.state = State.CLOSED
        self.since = -FOREVER  # the time of the last change of state
        self.failures = 0  # in a row
        self._open_after = open_after
        self._first, self._most = cool_down, max_cool_down
        self._cool_down = cool_down
        self._probing = False
        self.has_probed = False  # a probe has begun since it opened

    def wait(self, now: float) -> float:
        """Seconds until a request may go through; 0 now, infinity when the probe has told. Moves nothing."""
        if self.state is State.CLOSED:
            return 0.0
        if self.state is State.OPEN:
            return max(0.0, self.since + self._cool_down - now)
        return FOREVER if self._probing else 0.0

    def begin(self, now: float) -> None:
        """A request that waited its turn goes through: while this is not closed, it is the probe."""
        if self.state is State.OPEN:
            self._cool_down = min(2 * self._cool_down, self._most)
            self._move(Event.PROBING, now)
        self._probing = self.has_probed = self.state is State.HALF_OPEN

    def idle(self) -> None:
        """Nothing is in flight: if there was a probe, it was stopped on its way."""
        self._probing = False

    def well(self, now: float) -> bool:
        """A request went well; whether that has closed the breaker."""
        self.failures = 0
        if self.state is State.CLOSED:
            return False
        self._cool_down = self._first
        self.has_probed = False
        self._move(Event.WELL, now)
        return True

    def failed(self, now: float, began: float) -> None:
        """A request that began then has failed now."""
        if self.is_of_before(began):
            return
        if self.state is State.HALF_OPEN:
            self._move(Event.FAILED, now)
        elif self.state is State.CLOSED:
            self.failures += 1
            if self.failures >= self._open_after:
                self._move(Event.TOO_MANY, now)

    def is_of_before(self, began: float) -> bool:
        """Whether a request that began then was under way when the state last changed."""
        return began < self.since - SLACK

    def _move(self, event: Event, now: float) -> None:
        self.state = TRANSITIONS[self.state, event]
        self.since = now
        self.failures = 0
        self._probing = False
