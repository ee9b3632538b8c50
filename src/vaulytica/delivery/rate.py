"""Rate: at most so many units a second, in the long run and in any part of it. A token bucket."""

from __future__ import annotations

from vaulytica.delivery.times import FOREVER, SLACK


class Rate:
    """Kept as one number, the time at which the bucket is full again (the generic cell rate algorithm).

    The bucket holds one second's worth. Units in any t seconds: at most rate · t + the larger of one
    second's worth and the largest request, which has to wait for a full bucket and then runs a debt.
    """

    __slots__ = ("_full_at", "_per_second")

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._full_at = -FOREVER

    def wait(self, now: float, units: int) -> float:
        """Seconds until a request of so many units may begin; 0 if it may now."""
        needed = min(units / self._per_second, 1.0)
        left = self._full_at - (1.0 - needed) - now
        return left if left > SLACK else 0.0

    def take(self, now: float, units: int) -> None:
        """A request of so many units begins."""
        self._full_at = max(self._full_at, now) + units / self._per_second
