"""Keeping: whether what comes can be kept on disk now. The last put tells; where none comes, a try does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from vaulytica.delivery.ports import Clock
from vaulytica.errors import OutboxDamagedError, OutboxError

if TYPE_CHECKING:
    from vaulytica.outbox.ports import AsyncOutbox
    from vaulytica.relay.watching.watch import Watch

_WELL_EVERY, _FAILING_EVERY = 10.0, 1.0  # seconds without a put, after which it is tried


class Keeping:
    """`why` it cannot; None if it can. Whoever goes by `/readyz` sends nothing while it cannot: so it is tried."""

    def __init__(self, outbox: AsyncOutbox, watch: Watch, clock: Clock = time) -> None:
        self._outbox, self._watch, self._clock = outbox, watch, clock
        self._told = clock.monotonic()
        self.why: str | None = None

    def check(self) -> None:
        """Raise `OutboxDamagedError` if the file is known to be damaged, until another relay has another file.

        SQLite may then have wrong ideas of which pages are free, and of where a row belongs: what it says
        to have kept may not be there, and may stand where something else was.
        """
        if self._watch.damage is not None:
            raise OutboxDamagedError(self._watch.damage)

    def failed(self, error: OutboxError) -> None:
        """A put did."""
        self._told = self._clock.monotonic()
        self.why = str(error)
        self._watch.not_kept(error)

    def done(self) -> None:
        """A put is on disk."""
        self._told = self._clock.monotonic()
        if self.why is not None:
            self.why = None
            self._watch.kept()

    @property
    def is_in_doubt(self) -> bool:
        """Whether nothing has told for too long."""
        every = _WELL_EVERY if self.why is None else _FAILING_EVERY
        return self._clock.monotonic() - self._told >= every

    async def look(self) -> None:
        """Put nothing: the disk has to have room for it, and to write."""
        try:
            self.check()
            await self._outbox.put_shares((), ())
        except OutboxError as error:
            self.failed(error)
        else:
            self.done()
