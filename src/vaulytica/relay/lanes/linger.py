"""Linger: how long a lane waits before its next claim, so that more of what comes goes in one request. Pure."""

from __future__ import annotations


class Linger:
    """For `max_wait` seconds at most, from the moment there is something; 0: never."""

    def __init__(self, max_wait: float) -> None:
        self._max_wait = max_wait
        self._until: float | None = None

    def wait(self, now: float, *, is_busy: bool) -> float:
        """Seconds to wait. Only who is busy with other requests waits: else nothing is gained by it."""
        if not is_busy or not self._max_wait:
            self._until = None
            return 0.0
        if self._until is None:
            self._until = now + self._max_wait
        left = self._until - now
        if left <= 0:
            self._until = None
        return max(0.0, left)
