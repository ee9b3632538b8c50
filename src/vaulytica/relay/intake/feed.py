"""Feed: hands events over for a source that cannot be told to come again, so it waits until they are taken."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

from vaulytica.errors import OutboxError
from vaulytica.outbox.delivery import Mark
from vaulytica.relay.door.accept import Accept, Entry, Full

log = logging.getLogger("vaulytica.relay.intake")

_AGAIN = 1.0  # seconds after which it is tried again, where the outbox fails
_LONGEST = 10.0  # seconds between two tries


class Feed:
    """One source's way to `accept`; `origin` is what the log calls it."""

    def __init__(self, accept: Accept, origin: str) -> None:
        self._accept = accept
        self._origin = origin
        self._waiting = False

    async def put(
        self,
        entries: Sequence[Entry],
        mark: Mark | None = None,
        *,
        kept: Callable[[], object] = lambda: None,
    ) -> None:
        """Return when they are on disk, however long that takes; and lanes have had their turn.

        `kept` is called as soon as they are on disk. Cancelled meanwhile, it ends only when it is known
        whether they are: nothing is left half done.
        """
        while True:
            keeping = asyncio.ensure_future(self._keep(entries, mark, kept))
            try:
                await asyncio.shield(keeping)
            except asyncio.CancelledError:
                await until_ended(keeping)
                raise
            except (Full, OutboxError) as error:
                self._say(str(error))
                wait = error.retry_after if isinstance(error, Full) else _AGAIN
                await asyncio.sleep(min(wait, _LONGEST))
            else:
                if self._waiting:
                    self._waiting = False
                    log.info("%s: events are taken again", self._origin)
                await self._accept.turn()
                return

    async def _keep(
        self, entries: Sequence[Entry], mark: Mark | None, kept: Callable[[], object]
    ) -> None:
        await self._accept(entries, mark=mark)
        kept()

    def _say(self, why: str) -> None:
        if not self._waiting:
            self._waiting = True
            log.warning("%s: reading waits, as events cannot be kept: %s", self._origin, why)


async def until_ended(task: asyncio.Future[None]) -> None:
    """Wait for it, however often the caller is cancelled meanwhile; who has been ends by itself afterwards."""
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait((task,))
