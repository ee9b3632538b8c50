"""Budget: the bytes of events that all lanes together may have in memory."""

from __future__ import annotations

from collections.abc import Callable


class Budget:
    """A lane with nothing in its hands may always take one batch: no lane is starved by others."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.used = 0
        self._waiting: set[Callable[[], object]] = set()

    @property
    def is_spent(self) -> bool:
        """Whether there is no room."""
        return self.used >= self.most

    def change(self, bytes: int) -> None:
        """So many more are in memory, or fewer."""
        self.used += bytes
        if bytes < 0 and not self.is_spent and self._waiting:
            waiting, self._waiting = self._waiting, set()
            for wake in waiting:
                wake()

    def wake_when_free(self, wake: Callable[[], object]) -> None:
        """Call that once, when there is room again."""
        self._waiting.add(wake)
