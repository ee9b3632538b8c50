"""Following: a look finds out which files there are, and what has become of those that were followed."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence

from vaulytica.outbox.delivery import Mark
from vaulytica.relay.door.accept import Accept
from vaulytica.relay.intake.feed import Feed
from vaulytica.relay.intake.settings import IntakeLimits, TailSettings
from vaulytica.relay.intake.tail.all_of import all_of
from vaulytica.relay.intake.tail.content import Moved, where_it_goes_on
from vaulytica.relay.intake.tail.files import Seen, Sight, folders, sight
from vaulytica.relay.intake.tail.followed import PREFIX, Followed
from vaulytica.relay.intake.tail.held import Held
from vaulytica.relay.intake.tail.known import Known, gone_since
from vaulytica.relay.intake.tail.names import age
from vaulytica.relay.intake.tail.newcomers import Newcomers
from vaulytica.relay.intake.tail.position import position_of

log = logging.getLogger("vaulytica.relay.intake")

_BEGUN, _BESIDE = "tail-begun:", "tail-beside:"
_UNSTEADY = 5  # looks that are put off, as files are being renamed
_TRIES = 5  # looks after each other, while files are renamed or truncated


class Following:
    """All files that are followed; `clock` is for how long they have been quiet."""

    def __init__(
        self, tails: Sequence[TailSettings], limits: IntakeLimits, clock: Callable[[], float]
    ) -> None:
        self._tails = {settings.path: settings for settings in reversed(tails)}  # the first counts
        self._all_tails = tails
        self.held = Held(limits, clock)
        self._newcomers = Newcomers(self.held)
        self.chains: list[list[Followed]] = []  # open ones, as they were written after each other
        self._is_first = True
        self._missed: set[str] = set()  # keys of what was followed earlier, and may be gone
        self._unsteady = 0  # looks after each other in which files were being renamed
        self._said: set[str] = set()

    async def begin(self, accept: Accept, feed: Feed) -> None:
        """Learn from the outbox how far files were read."""
        self._accept, self._feed = accept, feed
        self._begun = set(await accept.marks(_BEGUN)) | set(await accept.marks(_BESIDE))
        marks = await accept.marks(PREFIX)
        positions = {key: position_of(text) for key, text in marks.items()}
        found = {key: at for key, at in positions.items() if at is not None}
        self.held.known = Known(found)
        self._missed = set(found)
        self._noted = {at.base for at in found.values() if at.first == at.base}  # logs, as such

    async def look(self) -> None:
        """See which files are new, renamed, or gone.

        Again, if one was renamed meanwhile, for those that were written later wait for it, or was truncated,
        for what it had is older.
        """
        for _ in range(_TRIES):
            found = await asyncio.to_thread(sight, self._all_tails)
            self._unsteady = 0 if found.steady else self._unsteady + 1
            if 0 < self._unsteady <= _UNSTEADY:
                return  # files are being renamed right now, and some may have been missed
            changes = self.held.changes
            await self._look_at(found)
            if is_calm := changes == self.held.changes:
                break
        inodes = {inode for _, inode in found.seen}
        all_seen = found.steady and is_calm
        if all_seen:
            self._look_beside(inodes)
        await self._note(inodes, found.refused)
        self._newcomers.end(all_seen=all_seen)
        self.arrange()
        self._is_first = False

    async def _look_at(self, found: Sight) -> None:
        held = self.held
        self._newcomers.begin(found.seen)
        held.count()
        for id, file in list(held.files.items()):
            self._see(file, found.seen.get(id))
        unknown = [it for it in found.seen.values() if self._is_unknown(it)]
        for it in sorted(unknown, key=lambda it: (it.path != it.base, _written(it))):
            if it.id not in held.files:
                try:
                    await self._meet(it)
                except Moved:
                    held.changes += 1

    def _is_unknown(self, found: Seen) -> bool:
        """Whether it is none that was followed, now or earlier."""
        try:
            return found.id not in self.held.files and not self.held.resume(found)
        except Moved:
            self.held.changes += 1
            return False  # that is asked again

    def _see(self, file: Followed, found: Seen | None) -> None:
        held = self.held
        if found is None:
            if file.left_since is None:
                file.left_since = held.clock()
            if file.descriptor is None:
                held.drop(file)
            return
        if (found.size, found.changed) != file.looks and not self._is_still(file, found):
            held.drop(file)  # another one of that inode, or truncated: it is met as one that is new
            return
        file.rotated = file.rotated or file.path != found.path
        file.position = file.position.now_at(found.path, found.id[1])
        file.left_since = None

    def _is_still(self, file: Followed, found: Seen) -> bool:
        """Whether a file that has changed is the same; also if one cannot know now."""
        if file.packed or found.packed:
            return file.packed and file.position.stamp == found.stamp
        was_open = file.descriptor is not None
        if not was_open and not self.held.open(file, found.path, found.id):
            return True  # that is tried again
        if file.is_itself():
            file.seen = max(file.seen, found.size)
            file.look_at_beginning()
            return True
        if was_open:
            self.truncated(file)
        return was_open

    async def _meet(self, found: Seen) -> None:
        path, held = found.settings.path, self.held
        is_beside = found.beside or found.packed
        from_its_end = (  # nothing of such a log was ever followed
            found.settings.begin == "end"
            and self._is_first
            and _BEGUN + path not in self._begun
            and found.base not in self._noted
        )
        was_before = _BESIDE + path not in self._begun or from_its_end
        await self._newcomers.meet(
            found,
            is_old=is_beside and was_before and not held.known.is_noted(found),
            to_its_end=from_its_end and not is_beside,
        )

    def truncated(self, file: Followed) -> None:
        """What it had may be in a copy; what it has now is new."""
        self._newcomers.truncated(file)

    def leave(self, file: Followed) -> None:
        """It was read to its end and is quiet: it need not be open."""
        is_gone = file.is_gone()
        if file.left_since is not None and not is_gone:
            self._say_where(file.position.base)
        file.finished()
        file.close()
        if file.left_since is not None:
            file.position = file.position.but(gone=gone_since(deleted=is_gone))
            self.held.drop(file)
        self.held.notes.append(file)

    def _say_where(self, base: str) -> None:
        if base not in self._said:
            self._said.add(base)
            log.warning(
                "%s was renamed to where it is not looked for; should that happen twice within a second, "
                "or while the relay is down, lines are lost: follow its new names, too",
                base,
            )

    def _look_beside(self, inodes: Collection[int]) -> None:
        """Files that were followed earlier, and have a name now that is not looked for. `inodes`: there are."""
        held = self.held
        missed, self._missed = self._missed.intersection(held.known), set()
        for key in sorted(missed):
            position = held.known[key]
            settings = self._tails.get(position.wanted)
            if settings is None or position.gone:
                continue
            try:
                on = where_it_goes_on(position, held.files) if position.print else None
            except Moved:
                self._missed.add(key)
                continue
            if on is not None:
                path, id = on
                found = Seen(path, id, 0, 0, settings, position.base, beside=True)
                if held.go_on(key, found, path, id):
                    held.files[id].left_since = held.clock()
            elif position.done or position.is_among(inodes):
                pass
            elif position.offset or not self._newcomers.has_met(position.base):
                log.warning(
                    "%s was read to byte %d and is gone; what else was in it is lost",
                    position.path,
                    position.offset,
                )

    # --- What the outbox is to know.

    async def _note(self, inodes: Collection[int], refused: Mapping[str, str]) -> None:
        """Where files are, and which are gone; and that from now on one that is not known is a new one."""
        held = self.held
        self._say_refused(refused)
        notes, held.notes = list({file.key: file for file in held.notes}.values()), []
        await self._put([file for file in notes if file.position.done])
        for path in self._tails:  # now, and before any log is: else what lies there would be new
            if _BESIDE + path not in self._begun and _could_be_listed(path, refused):
                await self._note_begun(_BESIDE + path)
        await self._put([file for file in notes if not file.position.done])
        missed = [Mark(key, held.known[key].text()) for key in held.known.missed(inodes)]
        await all_of([self._feed.put([], mark) for mark in missed])
        for path, settings in self._tails.items():
            if settings.begin == "end":
                await self._note_begun(_BEGUN + path)
        await self._forget(held.known.too_old())

    async def _put(self, files: Sequence[Followed]) -> None:
        await all_of([file.note(self._feed) for file in files])

    async def _note_begun(self, name: str) -> None:
        if name not in self._begun:
            await self._feed.put([], Mark(name, "1"))
            self._begun.add(name)

    async def _forget(self, keys: Sequence[str]) -> None:
        if keys:
            await self._accept.forget(keys)
            self.held.known.forget(keys)

    def _say_refused(self, refused: Mapping[str, str]) -> None:
        for folder, why in refused.items():
            if folder not in self._said:
                self._said.add(folder)
                log.warning(
                    "%s cannot be listed: %s; files that are renamed there may not be found",
                    folder,
                    why,
                )

    # --- The order in which they are read.

    def arrange(self) -> None:
        """Those that are open, by what they were before any rotation, in the order in which they were written."""
        self.held.spare()
        chains: dict[str, list[Followed]] = defaultdict(list)
        for file in self.held.files.values():
            if file.descriptor is not None:
                chains[file.position.base].append(file)
        for chain in chains.values():
            chain.sort(key=_order)
        self.chains = list(chains.values())


def _could_be_listed(path: str, refused: Mapping[str, str]) -> bool:
    """Whether any folder of a path or glob could, or there is none yet: what comes to it from now on is new."""
    all = folders(path)
    return not all or any(folder not in refused for folder in all)


def _written(found: Seen) -> tuple[bool, int, tuple[int, ...]]:
    """By which files are in the order in which they were written; times may be the same."""
    return found.path == found.base, found.changed, age(found.path, found.base)


def _order(file: Followed) -> tuple[bool, int, bool, tuple[int, ...]]:
    """The same of files that are open, also if they have no name any more."""
    assert file.descriptor is not None
    path, base = file.path, file.position.base
    is_there = file.left_since is None
    changed = os.fstat(file.descriptor).st_mtime_ns
    return path == base and is_there, changed, is_there, age(path, base)
