"""Unreadable: deliveries that stand in damaged pages. Claims pass over them, and nobody waits for them."""

from __future__ import annotations

from vaulytica.outbox.sqlite.clock import FileClock

_AGAIN = 600.0  # seconds until one is looked at again


class Unreadable:
    """Shared by the threads that write and that read: what one has met is nothing the other need wait for."""

    def __init__(self, clock: FileClock) -> None:
        self._clock = clock
        self._until: dict[str, dict[int, float]] = {}  # by destination and delivery

    def add(self, destination: str, id: int) -> None:
        """That one could not be read."""
        now = self._clock.monotonic()
        known = self._until.get(destination, {}).items()
        still = {other: until for other, until in known if until > now}
        self._until[destination] = {**still, id: now + _AGAIN}

    def of(self, destination: str) -> frozenset[int]:
        """The deliveries that are not to be looked at now."""
        passed = self._until.get(destination)
        if not passed:
            return frozenset()
        now = self._clock.monotonic()
        return frozenset([id for id, until in passed.items() if until > now])
