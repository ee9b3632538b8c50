"""The outbox's own clock: it never goes back, neither while a program runs nor from one to the next.

While a program runs, only the monotonic clock counts. When it starts, the time is the system's, or the
last that the file has seen where that is later. So a system clock that is set back delays nothing; one
that is set forward makes due early what waits, and ends claims early, at the next start at the most.
"""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """The `time` module, or a clock the test owns."""

    def time(self) -> float:
        """Seconds since 1970."""

    def monotonic(self) -> float:
        """Seconds that only ever grow."""


class FileClock:
    """Milliseconds since 1970, from the last time that the file has `seen` on."""

    def __init__(self, clock: Clock, seen: int) -> None:
        self._clock = clock
        self._begin = max(round(clock.time() * 1000), seen)
        self._since = clock.monotonic()

    def now(self) -> int:
        """The time."""
        return self._begin + round((self._clock.monotonic() - self._since) * 1000)

    def of(self, moment: float, since: int) -> float:
        """A moment by the system's clock, in seconds, as it is by this one; not before `since`, nor after now."""
        now = self.now()
        ago = round((self._clock.time() - moment) * 1000)
        return min(max(now - ago, since), now) / 1000

    def monotonic(self) -> float:
        """Seconds that only ever grow."""
        return self._clock.monotonic()
