"""Relay: one process that owns the outbox, the intakes and the lanes, from its start to its end.

    intake → accept (door) → router → outbox → lane → destination

"Accepted" is said when the outbox has it on disk; from there on it is the lanes' to deliver, whatever
becomes of this process. A change of the config exchanges only the parts that it is about.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress

from vaulytica.errors import OutboxError, WebhookConfigError
from vaulytica.outbox import open_outbox
from vaulytica.outbox.delivery import Retention
from vaulytica.relay.config import RelayConfig, RetentionSettings
from vaulytica.relay.door.door import Door
from vaulytica.relay.door.recent import Recent
from vaulytica.relay.door.room import Room
from vaulytica.relay.door.router import Router
from vaulytica.relay.http.answers import Answers
from vaulytica.relay.http.pages import Pages
from vaulytica.relay.inlets.inlets import Inlets
from vaulytica.relay.keeping import Keeping
from vaulytica.relay.lanes.lanes import Lanes
from vaulytica.relay.upkeep import Upkeep
from vaulytica.relay.watching.metrics import Metrics
from vaulytica.relay.watching.notify import READY, STOPPING, notify, reloading
from vaulytica.relay.watching.watch import Log, Watch

_DAY = 86400.0
_FOREVER = 36500 * _DAY
_LOOK_AT_FILE = 1.0  # seconds between two looks at whether the config has changed


class Relay:
    """`read` gives the config; at each reload again, told the one that runs, which the new has to take over from.

    `stamp` tells one state of its file from the next.
    """

    def __init__(
        self,
        read: Callable[[RelayConfig | None], RelayConfig],
        log: Log,
        *,
        stamp: Callable[[], object] = lambda: None,
    ) -> None:
        self._read, self._stamp, self._log = read, stamp, log
        self._seen = stamp()
        self.config = read(None)
        self._metrics = Metrics()
        self._watch = Watch(log, self._metrics)
        self._stop, self._hurry = asyncio.Event(), asyncio.Event()
        self._reload = asyncio.Event()
        self._state: str | None = "it is starting"
        self._tasks: list[asyncio.Task[None]] = []
        self._loop = asyncio.get_running_loop()
        self._store = open_outbox(
            self.config.outbox,
            owner=True,
            retention=_retention(self.config.retention),
            on_put=self._on_put,
            on_error=self._on_error,
        )
        self.outbox = self._store.aio
        recent = Recent()
        self.lanes = Lanes(self.outbox, self._watch, recent)
        self.room = Room(
            self.config.full,
            self.outbox.shed,
            standing=self.lanes.standing,
            full=self._watch.full,
            dropped=self._watch.dropped,
        )
        self._keeping = Keeping(self.outbox, self._watch)
        router, answers = Router(self.config.destinations), Answers(log)
        self.door = Door(
            self.outbox, router, self.room, keeping=self._keeping, answers=answers, recent=recent
        )
        self._upkeep = Upkeep(self.outbox, self.lanes, self.door, self._keeping, self._watch)
        pages = Pages(self, self._metrics).routes()
        self.inlets = Inlets(self.door, pages, self._watch)

    @property
    def why_not_ready(self) -> str | None:
        """Why no events are accepted, or would better not be given to it; None if all is well."""
        if self._state is not None:
            return self._state
        if self._watch.damage is not None:
            return self._watch.damage
        return "the outbox is full" if self.room.is_full else self._keeping.why

    async def run(self) -> None:
        """Until it is told to stop, and has drained."""
        try:
            await self._start()
            await self._until_stopped()
        finally:
            await self._end()

    def stop(self) -> None:
        """Drain and end; told twice, end at once."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    def reload(self) -> None:
        """Read the config anew."""
        self._reload.set()

    async def _start(self) -> None:
        await self._upkeep.count_once()
        await self._keeping.look()
        self.lanes.apply(self.config.destinations)
        await self.inlets.apply(self.config)
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self.stop)
        self._loop.add_signal_handler(signal.SIGHUP, self.reload)
        jobs = [*self._upkeep.jobs(), self._watch_file]
        self._tasks = [asyncio.create_task(job()) for job in jobs]
        self._state = None
        counts = await self.outbox.counts()
        left = sorted(name for name in counts if name not in self.config.destinations)
        self._log.info(
            "ready",
            destinations=len(self.config.destinations),
            listening=self.inlets.urls,
            pending=sum(count.pending for count in counts.values()),
            **({"no_longer_configured": left} if left else {}),
        )
        notify(READY)

    async def _until_stopped(self) -> None:
        stopping = asyncio.create_task(self._stop.wait())
        try:
            while not stopping.done():
                wanted = asyncio.create_task(self._reload.wait())
                await asyncio.wait((stopping, wanted), return_when=asyncio.FIRST_COMPLETED)
                wanted.cancel()
                if self._reload.is_set() and not stopping.done():
                    self._reload.clear()
                    await self._apply()
        finally:
            stopping.cancel()

    async def _watch_file(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_AT_FILE)
            now = self._stamp()
            if now is not None and now != self._seen:
                self.reload()

    async def _apply(self) -> None:
        """Read the config; if it is wrong, go on as before."""
        notify(*reloading())
        self._seen = self._stamp()
        listened = self.inlets.urls
        try:
            config = self._read(self.config)
            await self.inlets.apply(config)
        except (WebhookConfigError, OSError) as error:
            for why in getattr(error, "lines", ()) or (str(error),):
                self._log.error("config refused", why=why, next="the relay goes on as before")
        else:
            with suppress(OutboxError):  # lanes resume, and what is still paused there they see
                await self.outbox.resume(config.destinations, by_hand=False)
            done = self.lanes.apply(config.destinations)
            self.door.router = Router(config.destinations)
            self.room.settings = config.full
            self._store.keep(_retention(config.retention))
            self.config = config
            moved = {} if self.inlets.urls == listened else {"listening": self.inlets.urls}
            self._log.info(
                "reloaded", **{what: names for what, names in done.items() if names}, **moved
            )
        notify(READY)

    async def _end(self) -> None:
        has_begun = self._state is None  # else why it has not is told by whoever started it
        self._state = "it is stopping"
        notify(STOPPING)
        await self.inlets.sources.stop(self._hurry)  # what they have read is not read again
        self.door.close("the relay is stopping; try again")
        if self._stop.is_set():
            self._log.info("stopping", drain=self.config.drain)
        await self.lanes.drain(self.config.drain if has_begun else 0.0, self._hurry)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.inlets.stop()
        self._watch.say_dropped(at_last=True)
        self.door.answers.say(at_last=True)
        if has_begun:
            with suppress(OutboxError):
                counts = await self.outbox.counts()
                self._log.info("stopped", pending=sum(count.pending for count in counts.values()))
        self._store.close()

    def _on_put(self, names: set[str]) -> None:  # in the outbox's thread
        self._loop.call_soon_threadsafe(self.lanes.wake, names)

    def _on_error(self, error: OutboxError) -> None:  # in the outbox's thread
        self._loop.call_soon_threadsafe(self._watch.outbox_failed, error)


async def _job(job: Callable[[], object]) -> None:
    await job()  # type: ignore[misc] # an async function


def _retention(settings: RetentionSettings) -> Retention | None:
    if settings.days is None and settings.size is None:
        return None
    seconds = _FOREVER if settings.days is None else settings.days * _DAY
    return Retention(seconds, settings.size)
