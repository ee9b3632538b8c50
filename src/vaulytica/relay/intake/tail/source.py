"""Tail: the source that follows files. It looks which files there are, and reads what they have got."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from vaulytica.relay.door.accept import Accept
from vaulytica.relay.intake.feed import Feed
from vaulytica.relay.intake.settings import IntakeLimits, TailSettings
from vaulytica.relay.intake.tail.all_of import all_of
from vaulytica.relay.intake.tail.followed import Followed, Found
from vaulytica.relay.intake.tail.following import Following

_LOOK = 1.0  # seconds between two looks at which files there are
_SHARE = 20  # times as long as a look takes, where that is longer
_POLL = 0.2  # between two at what they have got, if it was nothing
_LINGER = 30.0  # that a file which was rotated away has to be quiet, until it is let go of
_TOGETHER = 16  # logs that are read at a time


class Tail:
    """All files that are to be followed. `clock` is for how long they have been quiet."""

    def __init__(
        self,
        tails: Sequence[TailSettings],
        limits: IntakeLimits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = (tuple(tails), limits)
        self._clock = clock
        self._following = Following(tails, limits, clock)

    def __repr__(self) -> str:
        return "tail"

    @property
    def unreadable(self) -> int:
        """How many lines were no events so far."""
        held = self._following.held
        return held.unreadable + sum(file.reader.unreadable for file in held.files.values())

    async def run(self, accept: Accept) -> None:
        """Until it is cancelled."""
        await self.begin(accept)
        next_look = self._clock()
        try:
            while True:
                if (now := self._clock()) >= next_look:
                    await self.look()
                    took = self._clock() - now
                    next_look = now + max(_LOOK, _SHARE * took)
                if not await self.poll():
                    await asyncio.sleep(_POLL)
        finally:
            self.close()

    async def begin(self, accept: Accept) -> None:
        """Learn from the outbox how far files were read."""
        self._feed = Feed(accept, "tail")
        await self._following.begin(accept, self._feed)

    def close(self) -> None:
        """Let go of all files."""
        for file in self._following.held.files.values():
            file.close()

    async def look(self) -> None:
        """See which files are new, renamed, or gone."""
        await self._following.look()

    async def poll(self) -> bool:
        """Read a block of each log that has got something; whether any had."""
        now = self._clock()
        found: list[tuple[Followed, Found]] = []
        chains = self._following.chains
        for at in range(0, len(chains), _TOGETHER):
            some = chains[at : at + _TOGETHER]
            for read in await all_of([self._read(chain, now) for chain in some]):
                found += read
        for file, what in found:
            if what is Found.OTHER:
                self._following.truncated(file)
            elif what is Found.FAILED and not file.packed:
                file.close()
                file.looks = (0, 0)  # so that the next look opens it
        for file in [file for chain in self._following.chains for file in chain]:
            await self._let_go(file, now)
        if any(what is Found.OTHER for _, what in found):
            await self.look()  # what it had is older than what it has, and may be in a copy
        return any(what in (Found.LINES, Found.OTHER) for _, what in found)

    async def _read(self, chain: Sequence[Followed], now: float) -> list[tuple[Followed, Found]]:
        """The next of each file, up to the first of which there is more that others have to wait for.

        Goals are set from the last to the first: a writer that goes on to the next file has written to the one
        before until then.
        """
        if any(file.goal < 0 for file in chain) or not any(file.is_behind for file in chain):
            for file in reversed(chain):
                file.aim(now)
        found = []
        for file in chain:
            if file.is_behind and file.has_news(now):
                found.append((file, await file.read(self._feed)))
            if file.is_behind:
                break
        return found

    async def _let_go(self, file: Followed, now: float) -> None:
        """Of a file that was rotated away, and was quiet for long enough; its last line may have no end."""
        if file.descriptor is None or not (file.rotated or file.left_since is not None):
            return
        since = max(file.grown_at, file.left_since or 0.0)
        if now - since < _LINGER or file.has_news(now):
            return
        if await file.read(self._feed, to_the_end=True) in (Found.NOTHING, Found.LINES):
            self._following.leave(file)
