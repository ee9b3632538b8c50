"""Writer: a lane's verdicts on their way into the outbox; while it is written, the next gather."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from vaulytica.errors import OutboxError
from vaulytica.outbox.delivery import Delivery, Verdict
from vaulytica.outbox.ports import AsyncOutbox

AGAIN = 1.0  # seconds until what could not be written is tried again


class Writer:
    """`written` hears of each verdict that is on disk; `failed` of each try that was in vain."""

    def __init__(
        self,
        outbox: AsyncOutbox,
        written: Callable[[Sequence[Verdict], Sequence[Delivery]], object],
        failed: Callable[[OutboxError], object],
    ) -> None:
        self._outbox, self._written, self._failed = outbox, written, failed
        self._verdicts: list[Verdict] = []
        self._under_way: list[Verdict] = []
        self._task: asyncio.Task[None] | None = None

    @property
    def deliveries(self) -> list[Delivery]:
        """Those of which the verdict is not on disk yet."""
        return [verdict.delivery for verdict in (*self._under_way, *self._verdicts)]

    def put(self, verdicts: Sequence[Verdict]) -> None:
        """Have them written soon."""
        self._verdicts += verdicts
        if self._verdicts and self._task is None:
            self._task = asyncio.create_task(self._write())
            self._task.add_done_callback(self._done)

    async def finish(self) -> None:
        """Wait until all is on disk."""
        while self._task is not None:
            await asyncio.wait((self._task,))

    async def _write(self) -> None:
        while self._verdicts:
            self._under_way, self._verdicts = self._verdicts, []
            while True:
                try:
                    lost = await self._outbox.settle(self._under_way)
                    break
                except OutboxError as error:
                    # What was delivered must not be forgotten: it would be delivered again.
                    self._failed(error)
                    await asyncio.sleep(AGAIN)
            written, self._under_way = self._under_way, []
            self._written(written, lost)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled():
            task.result()
        if self._verdicts:
            self.put(())
