"""Newcomers: files whose inodes are not known. They are new, copies, or packed from what was read already."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import msgspec

from vaulytica.relay.intake.tail.content import Moved, is_being_packed, print_at, where_it_goes_on
from vaulytica.relay.intake.tail.files import Id, Seen
from vaulytica.relay.intake.tail.followed import Followed
from vaulytica.relay.intake.tail.held import Held
from vaulytica.relay.intake.tail.packed import CannotUnpack, Contents, contents
from vaulytica.relay.intake.tail.position import Position

log = logging.getLogger("vaulytica.relay.intake")

_PATIENCE = 60.0  # seconds that a packed file may be broken, as it is being written


class _Loss(msgspec.Struct, frozen=True):
    """Bytes that a file had, and that were not read when it was truncated. `look`: in which that was seen."""

    path: str
    base: str
    size: int
    look: int


class _Twin(msgspec.Struct, frozen=True):
    """A copy: of what is followed by that key. `print`: of its end."""

    found: Seen
    key: str
    print: str

    def is_it(self) -> bool:
        """Whether it is still there, by that name."""
        try:
            return self.print != "" and _end(self.found) == self.print
        except Moved:
            return False


class _Broken(msgspec.Struct):
    """A packed file that cannot be unpacked. `until`: it may be that it is being written, and nothing is said."""

    stamp: str
    why: str
    until: float
    said: bool = False


class Newcomers:
    """Decides what each is, and follows it if there is something to be read of it."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self._look = 0
        self._twins: dict[Id, _Twin] = {}
        self._broken: dict[Id, _Broken] = {}
        self._losses: list[_Loss] = []
        self._met: dict[str, int] = {}  # by bases, the look in which one came

    def begin(self, seen: dict[Id, Seen]) -> None:
        """Another look."""
        self._look += 1  # odd while it lasts
        self._twins = {id: twin for id, twin in self._twins.items() if id in seen}
        self._broken = {id: broken for id, broken in self._broken.items() if id in seen}

    async def meet(self, found: Seen, *, is_old: bool, to_its_end: bool) -> None:
        """`is_old`: it was there before its log was followed. `to_its_end`: only what comes is wanted."""
        is_rotated = found.path != found.base
        if is_rotated and not found.size:
            return  # it may be that something is about to be copied to it
        if is_old:
            self._pass_by(found)
        elif found.packed:
            await self._meet_packed(found)
        elif not (is_rotated and self._is_twin(found)):
            self._look_at_originals(found)
            if found.id not in self._held.files:
                self._begin_file(found, to_its_end=to_its_end)

    def _begin_file(self, found: Seen, *, to_its_end: bool) -> None:
        known = self._held.known
        key = known.of_content(found)
        if key is None and known.is_read_copy(found):
            self._pass_by(found)
            return
        self._met[found.base] = self._look
        if key is not None:
            self._held.go_on(key, found, found.path, found.id)
        elif (file := self._held.follow_new(start_of(found), found)) is not None and to_its_end:
            file.go_to(found.size)

    def _pass_by(self, found: Seen) -> None:
        """Nothing of it is to be read but what comes to it from now on."""
        position = start_of(found).but(done=True, stamp=found.stamp)
        if not found.packed:
            position = position.but(offset=found.size, print=_end(found))
        self._held.notes.append(self._held.shut(position, found))

    # --- Copies that are made before a file is truncated: nothing of them is new, unless it is.

    def _is_twin(self, found: Seen) -> bool:
        """Whether it seems to be a copy, which is looked at again when more is known."""
        known = self._twins.get(found.id)
        family = [file for file in self._held.family(found) if not file.packed]
        family.sort(key=lambda file: known is None or file.key != known.key)
        for file in family:
            if file.begins_as(found):
                self._twins[found.id] = _Twin(found, file.key, _end(found))
                return True
        self._twins.pop(found.id, None)
        return False

    def _look_at_originals(self, found: Seen) -> None:
        """It is no copy of what they have; but it may be of what they had a moment ago."""
        for file in self._held.family(found):
            if not file.is_itself():
                self.truncated(file)

    def truncated(self, file: Followed) -> None:
        """What it had may be in a copy; what it has now is new."""
        held = self._held
        held.changes += 1
        held.drop(file)
        old = held.known.take(file.key).but(truncated=True)
        held.known.add(file.key, old)
        had = old.offset  # of what it had, that is not lost
        copy = self._copy_of(file)
        if copy is not None and held.go_on(file.key, file, *copy):
            had = max(had, held.files[copy[1]].seen)
        if file.seen > had:
            self._losses.append(_Loss(old.path, old.base, file.seen - had, self._look))
        if file.left_since is None:
            start = Position(old.path, old.ino, old.wanted, old.base, old.first)
            new = held.follow(start, file, file.id)
            if new is not None:
                held.notes.append(new)

    def _copy_of(self, file: Followed) -> tuple[str, Id] | None:
        """Where what was not read of it still is; what else is a copy of it is done."""
        for twin in list(self._twins.values()):
            found = twin.found
            if twin.key == file.key and twin.is_it():
                if found.size >= file.position.offset:
                    return found.path, found.id
                if found.size == Path(found.path).stat().st_size:
                    self._pass_by(found)
        if not file.position.offset:
            return None
        try:
            return where_it_goes_on(file.position, self._held.files)
        except Moved:  # it is met in the next look
            return None

    def has_met(self, base: str) -> bool:
        """Whether one came, which may be what one is missed of which nothing was read."""
        return base in self._met

    def end(self, *, all_seen: bool) -> None:
        """The look is over; if all was seen, say what was truncated, and is in no file that was found since."""
        for lost in [lost for lost in self._losses if all_seen and lost.look < self._look]:
            self._losses.remove(lost)
            if self._met.get(lost.base, 0) < lost.look:
                log.warning(
                    "%s was truncated, and %d bytes of it were not read yet", lost.path, lost.size
                )
        self._look += 1

    # --- Packed files.

    async def _meet_packed(self, found: Seen) -> None:
        twin = self._twins.get(found.id)
        family = self._held.family(found)
        key = twin.key if twin is not None and twin.found.stamp == found.stamp else None
        if any(file.key == key and file.is_itself() for file in family):
            return
        if is_being_packed(found.path):
            return
        if (broken := self._broken.get(found.id)) and broken.stamp == found.stamp:
            self._say_broken(found, broken)
            return
        self._look_at_originals(found)
        known = self._held.known
        places = {key: known[key] for key in known.family(found) + known.packed(found)}
        try:
            inside = await asyncio.to_thread(contents, found, places)
        except CannotUnpack as error:
            until = self._held.clock() + (_PATIENCE if error.is_broken else 0.0)
            self._broken[found.id] = _Broken(found.stamp, str(error), until)
        except Moved:
            raise
        except OSError as error:
            self._held.cannot_open(found.path, error)
        else:
            self._take_packed(found, inside)

    def _take_packed(self, found: Seen, inside: Contents) -> None:
        known = self._held.known
        for file in self._held.family(found) if inside.size else ():
            if file.begins_with(inside.head, inside.tail, inside.size):
                self._twins[found.id] = _Twin(found, file.key, "")
                return
        if inside.key is None and inside.is_read:
            self._pass_by(found)
            return
        self._met[found.base] = self._look
        if inside.key is None:
            self._held.follow_new(start_of(found).but(stamp=found.stamp), found)
        else:
            old = known.take(inside.key)
            done = old.offset == inside.size
            known.add(inside.key, old.but(stamp=found.stamp, done=done))
            self._held.go_on(inside.key, found, found.path, found.id)

    def _say_broken(self, found: Seen, broken: _Broken) -> None:
        if broken.said or self._held.clock() < broken.until:
            return
        broken.said = True
        if not self._held.known.was_packed_into(found):
            log.warning(
                "%s cannot be unpacked: %s; what was not read of it before is lost",
                found.path,
                broken.why,
            )


def _end(found: Seen) -> str:
    return print_at(found.path, found.id, found.size)


def start_of(found: Seen) -> Position:
    """Nothing of it is read."""
    return Position(found.path, found.id[1], found.settings.path, found.base, found.path)
