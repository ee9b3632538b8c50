"""Tending: the sources that run beside the HTTP server. One that fails is tried again, less and less often.

A source has its own way to wait where events cannot be kept, or a file cannot be read. What is left are
things such as a socket's folder that is gone, and faults of ours: neither may silence an intake for good.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from vaulytica.relay.door.accept import Accept
from vaulytica.relay.intake import Source, sources
from vaulytica.relay.intake.settings import IntakeSettings
from vaulytica.relay.watching.watch import Watch

_FIRST, _LONGEST = 1.0, 60.0  # seconds until a source that has failed is tried again


class Tending:
    """`failing`: the names of sources that do not run, or have not for as long as they had to wait."""

    def __init__(self, accept: Accept, watch: Watch) -> None:
        self._accept, self._watch = accept, watch
        self._settings = IntakeSettings()
        self._unreadable = 0  # of sources that are no more
        self._sources: dict[asyncio.Task[None], Source] = {}
        self._ended: list[Source] = []
        self.failing: set[str] = set()

    @property
    def unreadable(self) -> int:
        """How many lines of all sources were no events."""
        known = (*self._sources.values(), *self._ended)
        return self._unreadable + sum(source.unreadable for source in known)

    async def apply(self, settings: IntakeSettings) -> None:
        """Have what is wanted; those whose settings are the same run on: a stream that is cut has to begin anew."""
        self._settings = settings
        wanted = sources(settings, (*self._sources.values(), *self._ended))
        kept = [source.settings for source in wanted]
        await self._stop([task for task, it in self._sources.items() if it.settings not in kept])
        running = [source.settings for source in self._sources.values()]
        for source in wanted:
            if source.settings not in running and source not in self._ended:
                self._begin(source)

    def _begin(self, source: Source) -> None:
        task = asyncio.create_task(self._life(source))
        self._sources[task] = source
        task.add_done_callback(self._forget)

    async def _life(self, source: Source) -> None:
        """It runs until it ends by itself; its place is taken by one like it each time it fails."""
        wait, name = _FIRST, repr(source)
        while True:
            began = time.monotonic()
            well = asyncio.get_running_loop().call_later(wait, self._is_well, name)
            try:
                await source.run(self._accept)
            except Exception as error:  # noqa: BLE001 - whatever it is, others go on, and it is tried again
                if time.monotonic() - began > _LONGEST:
                    wait = _FIRST
                self.failing.add(name)
                self._watch.source_failed(name, error, wait)
            else:
                self._is_well(name)
                self._watch.source_ended(name)
                return
            finally:
                well.cancel()
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST)
            source = self._anew(source)

    def _is_well(self, name: str) -> None:
        if name in self.failing:
            self.failing.discard(name)
            self._watch.source_works(name)

    def _anew(self, source: Source) -> Source:
        """What takes its place: it knows nothing of what has failed; or standard input, which goes on."""
        (one,) = [
            one for one in sources(self._settings, [source]) if one.settings == source.settings
        ]
        if one is not source:
            self._unreadable += source.unreadable
        task = asyncio.current_task()
        assert task is not None
        self._sources[task] = one
        return one

    def _forget(self, task: asyncio.Task[None]) -> None:
        source = self._sources.pop(task)
        self.failing.discard(repr(source))
        if task.cancelled():
            self._unreadable += source.unreadable
        else:
            self._ended.append(source)

    async def stop(self, hurry: asyncio.Event) -> None:
        """Have them take what has come, and wait until they have let go; in a hurry, they take nothing more."""
        hurried = asyncio.create_task(hurry.wait())
        await self._stop(list(self._sources), hurried)
        hurried.cancel()

    async def _stop(
        self, tasks: Sequence[asyncio.Task[None]], hurried: asyncio.Task[bool] | None = None
    ) -> None:
        for task in tasks:
            task.cancel()
        if hurried is not None and tasks:
            all_of_them = asyncio.ensure_future(asyncio.wait(tasks))
            await asyncio.wait((hurried, all_of_them), return_when=asyncio.FIRST_COMPLETED)
            all_of_them.cancel()
            for task in tasks:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
