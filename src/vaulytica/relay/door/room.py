"""Room: whether the outbox is full, and what happens then: refuse what comes, or drop what matters least.

What is refused is refused before it is kept. What is dropped is dropped after: so what has just come is
weighed with all the rest, and may be what matters least.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from typing import Protocol

from vaulytica.errors import OutboxError
from vaulytica.relay.config import FullSettings
from vaulytica.relay.door.accept import Full

_RETRY_AFTER = 10.0  # seconds
# From so many events on, a hundredth more is dropped, to do it less often.
_LARGE, _SPARE = 10_000, 100


class Shed(Protocol):
    """See `AsyncOutbox.shed`."""

    def __call__(
        self, *, events: int | None, size: int | None, begun: Mapping[int, int]
    ) -> Awaitable[Mapping[str, int]]:
        """How many of each destination were dropped."""


class Room:
    """Knows from time to time what is in the outbox, and adds up what has come since.

    In `standing` the lanes have put back what is not under way, and take nothing; it tells what is. `full` hears when it begins
    to refuse, and `dropped` how many were dropped, and why.
    """

    def __init__(
        self,
        settings: FullSettings,
        shed: Shed,
        *,
        standing: Callable[[], AbstractAsyncContextManager[Mapping[int, int]]] = lambda: (
            nullcontext({})
        ),
        full: Callable[[str], object] = lambda why: None,  # noqa: ARG005 - nobody listens
        dropped: Callable[[Mapping[str, int], str], object] = lambda events, why: None,  # noqa: ARG005
    ) -> None:
        self.settings = settings
        self._shed, self._standing = shed, standing
        self._full, self._dropped = full, dropped
        self._pending = self._bytes = 0
        self._let_in = self.ended = (0, 0)  # events and bytes, since the start
        self._shedding = asyncio.Lock()
        self.is_full = False

    @property
    def is_bounded(self) -> bool:
        """Whether it can be full at all."""
        return self.settings.events is not None or self.settings.size is not None

    @property
    def drops(self) -> bool:
        """Whether events are dropped where there is no room."""
        return self.is_bounded and self.settings.then == "drop"

    def know(self, pending: int, bytes: int, ended: tuple[int, int]) -> None:
        """What is in the outbox: pending events, over all destinations, and bytes on disk.

        `ended`: what it was before somebody looked. What was let in and had not ended then may not have been seen.
        """
        if not self.drops:
            pending += self._let_in[0] - ended[0]
            bytes += self._let_in[1] - ended[1]
        self._pending, self._bytes = pending, bytes
        why = self._why(0, 0)
        self.is_full = why is not None and (not self.drops or not pending)

    def _why(self, events: int, bytes: int) -> str | None:
        settings = self.settings
        # Where nothing is pending, more than the bound at a time has to be taken: it would wait for ever.
        most = settings.events
        if most is not None and self._pending and self._pending + events > most:
            return f"{settings.events} events are pending"
        if settings.size is not None and self._bytes + bytes > settings.size:
            return f"it holds {settings.size} bytes"
        return None

    def make(self, events: int, bytes: int) -> None:
        """Let so much in, which `end` is told of; raises `Full` where there is no room, and none will be made."""
        if self.drops:
            why = None if self._pending else self._why(0, 0)
            more = ", and nothing of it can be dropped"
        else:
            why, more = self._why(events, bytes), ""
        if why is not None:
            if not self.is_full:
                self.is_full = True
                self._full(why)
            raise Full(f"the outbox is full: {why}{more}", _RETRY_AFTER)
        self._let_in = (self._let_in[0] + events, self._let_in[1] + bytes)
        if not self.drops:
            self._pending += events
            self._bytes += bytes

    def end(self, events: int, bytes: int) -> None:
        """So much that was let in is in the outbox now, or will never be."""
        self.ended = (self.ended[0] + events, self.ended[1] + bytes)

    async def kept(self, events: int, bytes: int) -> None:
        """So much has been kept; what is too much is dropped."""
        if not self.drops:
            return
        self._pending += events
        self._bytes += bytes
        if self._why(0, 0) is None:
            return
        async with self._shedding:  # those who wait for it have it done at once
            why = self._why(0, 0)
            if why is not None:
                await self._drop(why)

    async def _drop(self, why: str) -> None:
        most = self.settings.events
        if most is not None and most >= _LARGE:
            most -= most // _SPARE
        gone: Counter[str] = Counter()
        with suppress(OutboxError):  # what has come is kept all the same; the next makes room
            while some := await self._shed_some(most):
                gone.update(some)
        count = gone.total()
        if self._pending:
            self._bytes -= self._bytes * count // max(self._pending, count)
        self._pending = max(0, self._pending - count)
        if count:
            self._dropped(gone, why)

    async def _shed_some(self, most: int | None) -> Mapping[str, int]:
        async with self._standing() as begun:
            return await self._shed(events=most, size=self.settings.size, begun=begun)
