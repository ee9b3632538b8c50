"""Writer: a lane's verdicts on their way into the outbox; while it is written, the next gather.

Where the file is damaged, one verdict that cannot be written must not hold up the others: they are written
one by one, and those that fail are stuck. They are tried again, less and less often. Their claims are held
meanwhile, as what was delivered must not be forgotten: it would be delivered again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from vaulytica.errors import OutboxDamagedError, OutboxError
from vaulytica.outbox.delivery import Delivery, Verdict
from vaulytica.outbox.ports import AsyncOutbox
from vaulytica.relay.watching.watch import Watch

AGAIN = 1.0  # seconds until what could not be written is tried again
_LONGEST = 300.0  # the same, of what is stuck
_MOST_STUCK = 100  # verdicts: what they are of may be sent again, if this process dies


class Writer:
    """`written` hears of each verdict that is on disk; `watch` of each try that was in vain.

    `idle` is called when nothing is left to be written, but for what is stuck.
    """

    def __init__(
        self,
        name: str,
        outbox: AsyncOutbox,
        written: Callable[[Sequence[Verdict], Sequence[Delivery]], object],
        idle: Callable[[], object],
        watch: Watch,
    ) -> None:
        self._outbox, self._written, self._idle = outbox, written, idle
        self._failed = partial(watch.not_written, name)
        self._verdicts: list[Verdict] = []
        self._under_way: list[Verdict] = []
        self._stuck: list[Verdict] = []
        self._task: asyncio.Task[None] | None = None
        self._again: asyncio.Task[None] | None = None
        self._is_last = asyncio.Event()

    @property
    def deliveries(self) -> list[Delivery]:
        """Those of which the verdict is not on disk yet."""
        verdicts = (*self._under_way, *self._verdicts, *self._stuck)
        return [verdict.delivery for verdict in verdicts]

    @property
    def is_writing(self) -> bool:
        """Whether there is more than what is stuck."""
        return bool(self._under_way or self._verdicts)

    @property
    def is_stuck(self) -> bool:
        """Whether so much cannot be written that nothing more should be sent."""
        return bool(self._stuck) and len(self.deliveries) >= _MOST_STUCK

    def put(self, verdicts: Sequence[Verdict]) -> None:
        """Have them written soon."""
        self._verdicts += verdicts
        if self._verdicts and self._task is None:
            self._task = asyncio.create_task(self._write())
            self._task.add_done_callback(self._done)

    def give_up(self) -> None:
        """What fails from now on, for whatever reason, is left."""
        self._is_last.set()

    async def finish(self, *, is_last: bool) -> None:
        """Wait until all is on disk that can be. `is_last`: see `give_up`."""
        if is_last:
            self.give_up()
        while self._task is not None:
            await asyncio.wait((self._task,))
        if self._again is not None:
            self._again.cancel()

    async def _write(self) -> None:
        while self._verdicts:
            self._under_way, self._verdicts = self._verdicts, []
            try:
                await self._settle(self._under_way)
                self._under_way = []
            except OutboxDamagedError as error:
                self._failed(error)
                await self._one_by_one()
            except OutboxError as error:
                self._failed(error)
                self._verdicts[:0], self._under_way = self._under_way, []
                if await self._is_over():
                    return

    async def _is_over(self) -> bool:
        """Wait before the next try; whether there is to be none."""
        try:
            await asyncio.wait_for(self._is_last.wait(), AGAIN)
        except TimeoutError:
            return False
        return True

    async def _one_by_one(self) -> None:
        while self._under_way:
            verdict = self._under_way[0]
            try:
                await self._settle((verdict,))
            except OutboxDamagedError:
                self._stuck.append(verdict)
            except OutboxError:  # of another kind, which `_write` meets again
                self._verdicts[:0], self._under_way = self._under_way, []
                return
            del self._under_way[0]
        if self._stuck and self._again is None:
            self._again = asyncio.create_task(self._try_again())

    async def _try_again(self) -> None:
        """What is stuck, until it is not."""
        wait = AGAIN
        while self._stuck:
            await asyncio.sleep(wait)
            wait = min(_LONGEST, 2 * wait)
            for verdict in list(self._stuck):
                try:
                    await self._settle((verdict,))
                except OutboxError as error:
                    self._failed(error)
                else:
                    self._stuck.remove(verdict)
        self._again = None

    async def _settle(self, verdicts: Sequence[Verdict]) -> None:
        lost = await self._outbox.settle(verdicts)
        self._written(verdicts, lost)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if task.cancelled():
            return
        task.result()
        if self._verdicts and not self._is_last.is_set():
            self.put(())
        else:
            self._idle()
