"""Room: whether the outbox is full, and what happens then: refuse what comes, or drop what matters least."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from vaulytica.relay.accept import Full
from vaulytica.relay.config import FullSettings

_RETRY_AFTER = 10.0  # seconds
_TENTH = 10  # of the bound, dropped at a time, so that not every call has to


class Room:
    """Knows from time to time what is in the outbox, and adds up what has come since.

    `shed` drops so many pending events, and gives how many there were; `full` hears when it begins
    to be full, and `dropped` how many were.
    """

    def __init__(
        self,
        settings: FullSettings,
        shed: Callable[[int], Awaitable[int]],
        *,
        full: Callable[[str], object] = lambda why: None,  # noqa: ARG005 - nobody listens
        dropped: Callable[[int, str], object] = lambda events, why: None,  # noqa: ARG005
    ) -> None:
        self.settings = settings
        self._shed, self._full, self._dropped = shed, full, dropped
        self._pending = self._bytes = 0
        self.is_full = False

    @property
    def is_bounded(self) -> bool:
        """Whether it can be full at all."""
        return self.settings.events is not None or self.settings.size is not None

    def know(self, pending: int, bytes: int) -> None:
        """What is in the outbox now: pending events, over all destinations, and bytes on disk."""
        self._pending, self._bytes = pending, bytes
        self.is_full = self._why(0, 0) is not None

    def _why(self, events: int, bytes: int) -> str | None:
        settings = self.settings
        if settings.events is not None and self._pending + events > settings.events:
            return f"{settings.events} events are pending"
        if settings.size is not None and self._bytes + bytes > settings.size:
            return f"it holds {settings.size} bytes"
        return None

    async def make(self, events: int, bytes: int) -> None:
        """Make room for so much, or raise `Full`."""
        why = self._why(events, bytes)
        if why is not None:
            if not self.is_full:
                self.is_full = True
                self._full(why)
            if self.settings.then == "refuse":
                raise Full(f"the outbox is full: {why}", _RETRY_AFTER)
            await self._drop(events, bytes, why)
        self._pending += events
        self._bytes += bytes

    async def _drop(self, events: int, bytes: int, why: str) -> None:
        wanted = 0
        if self.settings.events is not None:
            most = self.settings.events
            wanted = self._pending + events - most + most // _TENTH
        if self.settings.size is not None and self._bytes + bytes > self.settings.size:
            over = self._bytes + bytes - self.settings.size + self.settings.size // _TENTH
            each = max(1, self._bytes // max(1, self._pending))
            wanted = max(wanted, over // each + 1)
        gone = await self._shed(max(1, wanted))
        if gone == 0:
            raise Full(f"the outbox is full: {why}, and nothing of it can be dropped", _RETRY_AFTER)
        if self._pending:
            self._bytes -= self._bytes * gone // max(self._pending, gone)
        self._pending = max(0, self._pending - gone)
        self._dropped(gone, why)
