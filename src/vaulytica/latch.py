"""Latch: something that one thread does while the others go on without; free again in a forked child."""

from __future__ import annotations

import threading

from vaulytica.forks import heed_forks


class Latch:
    """Held by nobody in a forked child, where the thread that held it in the parent is no more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        heed_forks(self)

    def take(self) -> bool:
        """Whether it is ours to do: false where another thread is at it. It never waits."""
        return self._lock.acquire(blocking=False)

    def give(self) -> None:
        """Done, or failed. In a child that was forked by who held it, there is nothing to give."""
        if self._lock.locked():
            self._lock.release()

    def forked(self) -> None:
        """In a forked child: whatever the parent's threads were at, they are not at it here."""
        self._lock = threading.Lock()
