"""Unreadable: deliveries that stand in damaged pages. Claims pass over them, and nobody waits for them."""

from __future__ import annotations

import threading

from vaulytica.outbox.sqlite.clock import FileClock

_AGAIN = 600.0  # seconds until one is looked at again


class Unreadable:
    """Shared by the threads that write and that read: what one has met is nothing the other need wait for."""

    def __init__(self, clock: FileClock) -> None:
        self._clock, self._mutex = clock, threading.Lock()
        # By destination: deliveries, until when, as they will be looked at again; and all of them at once.
        self._until: dict[str, dict[int, float]] = {}
        self._all: dict[str, frozenset[int]] = {}

    def add(self, destination: str, id: int) -> None:
        """That one could not be read."""
        with self._mutex:
            passed = self._until.setdefault(destination, {})
            passed.pop(id, None)  # so that it is the last
            passed[id] = self._clock.monotonic() + _AGAIN
            self._all.pop(destination, None)

    def of(self, destination: str) -> frozenset[int]:
        """The deliveries that are not to be looked at now."""
        with self._mutex:
            passed = self._until.get(destination)
            if not passed:
                return frozenset()
            now = self._clock.monotonic()
            while passed and passed[first := next(iter(passed))] <= now:
                del passed[first]
                self._all.pop(destination, None)
            if destination not in self._all:
                self._all[destination] = frozenset(passed)
            return self._all[destination]
