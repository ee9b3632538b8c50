"""Tail: the source that follows files. It looks which files there are, and reads what they have got."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from vaulytica.outbox.delivery import Mark
from vaulytica.relay.accept import Accept
from vaulytica.relay.intake.feed import Feed
from vaulytica.relay.intake.settings import IntakeLimits, TailSettings
from vaulytica.relay.intake.tail.files import Seen, is_in, is_rotation, matching, where_it_goes_on
from vaulytica.relay.intake.tail.followed import PREFIX, Followed, Found, Id
from vaulytica.relay.intake.tail.position import Position, position_of

log = logging.getLogger("vaulytica.relay.intake")

_LOOK = 1.0  # seconds between two looks at which files there are
_POLL = 0.2  # between two at what they have got, if it was nothing
_LINGER = 30.0  # that a file which was renamed has to be quiet, until it is let go of
_FORGET = 7 * 86400  # after which nothing is known any more of a file that is gone
_TOGETHER = 16  # files that are read at a time
_BEGUN = "tail-begun:"


class Tail:
    """All files that are to be followed, by their inodes. `clock` is for how long they have been quiet."""

    def __init__(
        self,
        tails: Sequence[TailSettings],
        limits: IntakeLimits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tails = tails
        self.settings = (tuple(tails), limits)
        self._unreadable = 0  # of files that are not followed any more
        self._limits = limits
        self._clock = clock
        self._files: dict[Id, Followed] = {}
        self._twins: dict[Id, Seen] = {}  # copies of files that are followed themselves
        self._known: dict[str, Position] = {}  # by their marks, files that are not followed
        self._begun: set[str] = set()
        self._is_first = True

    def __repr__(self) -> str:
        return "tail"

    @property
    def unreadable(self) -> int:
        """How many lines were no events so far."""
        return self._unreadable + sum(file.reader.unreadable for file in self._files.values())

    async def run(self, accept: Accept) -> None:
        """Until it is cancelled."""
        await self.begin(accept)
        looked = self._clock() - _LOOK
        try:
            while True:
                if self._clock() - looked >= _LOOK:
                    await self.look()
                    looked = self._clock()
                if not await self.poll():
                    await asyncio.sleep(_POLL)
        finally:
            self.close()

    async def begin(self, accept: Accept) -> None:
        """Learn from the outbox how far files were read."""
        self._accept = accept
        self._feed = Feed(accept, "tail")
        self._begun = set(await accept.marks(_BEGUN))
        marks = await accept.marks(PREFIX)
        positions = {key: position_of(text) for key, text in marks.items()}
        self._known = {key: at for key, at in positions.items() if at is not None}

    def close(self) -> None:
        """Let go of all files."""
        for file in self._files.values():
            file.close()

    # --- Which files there are.

    async def look(self) -> None:
        """See which files are new, renamed, or gone."""
        seen = {found.id: found for found in await asyncio.to_thread(list, matching(self._tails))}
        for id, file in list(self._files.items()):
            self._see(file, seen.get(id))
        self._twins = {id: seen[id] for id in self._twins if id in seen}
        new = [found for id, found in seen.items() if id not in self._files]
        for found in new:
            self._resume(found)
        if self._is_first:
            self._look_beside()
        new = [it for it in new if it.id not in self._files and not self._is_twin(it)]
        await asyncio.gather(*[self._begin_file(found) for found in new])
        await self._look_at_twins()
        await self._have_begun()
        self._is_first = False

    def _see(self, file: Followed, found: Seen | None) -> None:
        if found is not None:
            file.renamed = file.renamed or file.path != found.path
            file.position = file.position.now_at(found.path, found.id[1])
            file.left_since = None
            if file.descriptor is None and found.size != file.position.offset:
                file.open(found.path)
        elif file.left_since is None:
            file.left_since = self._clock()
            if file.descriptor is None:
                self._drop(file)
                self._known[file.key] = file.position
                self._go_on_beside(file.key, file.settings)

    def _resume(self, found: Seen) -> None:
        """Go on with a file that was followed earlier."""
        same = [
            key
            for key, position in self._known.items()
            if position.ino == found.id[1] and is_in(position, found.path)
        ]
        if same:  # the furthest: of a file of which nothing was read, anything may be the rest
            key = max(same, key=lambda key: self._known[key].offset)
            position = self._known.pop(key).now_at(found.path, found.id[1])
            self._follow(position, found.settings, key)

    def _look_beside(self) -> None:
        """Files that were followed earlier, and have a name now that is not looked for."""
        by_path = {settings.path: settings for settings in self._tails}
        for key, position in list(self._known.items()):
            if position.wanted in by_path:
                self._go_on_beside(key, by_path[position.wanted])

    def _go_on_beside(self, key: str, settings: TailSettings) -> Followed | None:
        on = where_it_goes_on(self._known[key], self._files)
        if on is None:
            return None
        position = self._known.pop(key).now_at(*on)
        file = self._follow(position, settings, key)
        file.left_since = self._clock()
        self._twins.pop(file.id, None)
        return file

    async def _begin_file(self, found: Seen) -> None:
        file = self._follow(_start_of(found), found.settings)
        is_old = self._is_first and _BEGUN + found.settings.path not in self._begun
        if found.settings.begin == "end" and is_old and file.descriptor is not None:
            file.go_to(found.size)
        await file.note(self._feed)  # so that it is known, should it be renamed while nobody looks

    async def _have_begun(self) -> None:
        """From now on, a file that is not known is a new one; and what is gone for long is forgotten."""
        for settings in self._tails:
            name = _BEGUN + settings.path
            if settings.begin == "end" and name not in self._begun:
                await self._feed.put([], Mark(name, "1"))
                self._begun.add(name)
        await self._forget(
            [key for key, at in self._known.items() if time.time() - at.at > _FORGET]
        )

    async def _forget(self, keys: list[str]) -> None:
        if keys:
            await self._accept.forget(keys)
        for key in keys:
            self._known.pop(key, None)

    def _drop(self, file: Followed) -> None:
        del self._files[file.id]
        self._unreadable += file.reader.unreadable

    def _follow(self, position: Position, settings: TailSettings, key: str = "") -> Followed:
        file = Followed(position, settings, self._limits, key)
        if file.open(position.path):
            file.grown_at = self._clock()
            self._files[file.id] = file
        return file

    # --- Copies that are made before a file is truncated: nothing of them is new, unless it is.

    def _is_twin(self, found: Seen) -> bool:
        """Whether it seems to be a copy, which is looked at again when more is known."""
        if found.size and any(
            file.covers(found.path, found.size)
            if file.position.offset >= found.size
            else file.position.offset and is_in(file.position, found.path)
            for file in self._originals(found)
        ):
            self._twins[found.id] = found
        return found.id in self._twins

    def _originals(self, found: Seen) -> list[Followed]:
        return [
            file for file in self._files.values() if is_rotation(found.path, file.position.base)
        ]

    async def _look_at_twins(self) -> None:
        """Once the original is read as far as its copy goes, the copy is done, if it is one."""
        for id, found in list(self._twins.items()):
            originals = self._originals(found)
            if any(
                file.position.offset < found.size and is_in(file.position, found.path)
                for file in originals
            ):
                continue  # it is not read so far yet, or was truncated, and that is seen soon
            del self._twins[id]
            is_read = any(file.covers(found.path, found.size) for file in originals)
            copy = self._follow(_start_of(found), found.settings)
            if is_read and copy.descriptor is not None:
                copy.place(found.size)
            await copy.note(self._feed)

    # --- What they have got.

    async def poll(self) -> bool:
        """Read a block of each file that has got something; whether any had."""
        now = self._clock()
        ready = [file for file in list(self._files.values()) if file.has_news(now)]
        found: list[Found] = []
        for at in range(0, len(ready), _TOGETHER):
            some = ready[at : at + _TOGETHER]
            found += await asyncio.gather(*[file.read(self._feed) for file in some])
        for file, what in zip(ready, found, strict=True):
            if what is Found.OTHER:
                await self._truncated(file)
        for file in list(self._files.values()):
            await self._let_go(file, now)
        return any(what is not Found.NOTHING for what in found)

    async def _truncated(self, file: Followed) -> None:
        """What it had may be in a copy; what it has now is new."""
        file.close()
        self._drop(file)
        self._known[file.key] = old = file.position
        copy = self._go_on_beside(file.key, file.settings)
        if copy is not None:
            await copy.note(self._feed)
        else:
            if file.seen > old.offset:
                lost = file.seen - old.offset
                log.warning(
                    "%s was truncated, and %d bytes of it were not read yet", old.path, lost
                )
            await self._forget([file.key])
        new = self._follow(Position(old.path, old.ino, old.wanted, old.path), file.settings)
        await new.note(self._feed)

    async def _let_go(self, file: Followed, now: float) -> None:
        """Of a file that has another name, and was quiet for long enough; its last line may have no end."""
        if file.descriptor is None or not (file.renamed or file.left_since is not None):
            return
        since = max(file.grown_at, file.left_since or 0.0)
        if now - since < _LINGER or file.has_news(now):
            return
        if await file.read(self._feed, to_the_end=True) is Found.OTHER:
            return
        is_gone = file.is_gone()
        file.close()
        if file.left_since is not None:
            self._drop(file)
            self._known[file.key] = file.position
            if is_gone:
                await self._forget([file.key])


def _start_of(found: Seen) -> Position:
    return Position(found.path, found.id[1], found.settings.path, found.path)
