"""Followed: one file, read from where it was read to, block by block."""

from __future__ import annotations

import logging
import os
import sys
import uuid
from asyncio import to_thread
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum

from vaulytica.outbox.delivery import Mark
from vaulytica.relay.door.accept import Entry
from vaulytica.relay.intake.feed import Feed
from vaulytica.relay.intake.line_reader import LineReader
from vaulytica.relay.intake.settings import IntakeLimits, TailSettings
from vaulytica.relay.intake.tail.content import Moved, begins, opened
from vaulytica.relay.intake.tail.files import Id, Seen
from vaulytica.relay.intake.tail.packed import CannotUnpack, Unpacked
from vaulytica.relay.intake.tail.position import PRINT, Position, fingerprint, stamp_of

log = logging.getLogger("vaulytica.relay.intake")

BLOCK = 512 * 1024
PREFIX = "tail:"
_GZIP = b"\x1f\x8b"


def reason(error: Exception) -> str:
    """Why a file cannot be read."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


class Found(Enum):
    """What there was to read."""

    NOTHING = 1
    LINES = 2
    OTHER = 3  # the file is not what it was: truncated, or written anew
    FAILED = 4  # it cannot be read


class Followed:
    """A file that is open, or was until it was quiet for long. `key`: of its mark.

    `packed`: it is read after unpacking. `left_since`: when it was seen to have no name any more that is
    looked for. `goal`: as long as it is not read to there, those written after it wait; -1 if it has none.
    """

    def __init__(
        self,
        position: Position,
        settings: TailSettings,
        limits: IntakeLimits,
        key: str = "",
        *,
        packed: bool = False,
    ) -> None:
        self.position = position
        self.settings = settings
        self.reader = reader = LineReader(settings, limits, position.path)
        self.key = key or f"{PREFIX}{uuid.uuid4()}"
        self.id: Id = (0, position.ino)
        self.packed = packed
        self.descriptor: int | None = None
        self.left_since: float | None = None
        self.goal = -1
        self.rotated = False  # it was renamed, or is known by such a name only
        self.beside = False  # nothing but its rotation makes it one of the settings'
        self.grown_at = 0.0
        self.seen = 0  # bytes that it was seen to have
        self.looks = (0, 0)  # its size and when it was changed
        self.is_binary = False
        self._block = max(BLOCK, reader.longest + 2)
        self._content: Unpacked | None = None
        self._settled = False  # looking so, it has nothing more
        self._is_failing = False
        self._rest = b""  # what was seen of it behind the place

    @property
    def path(self) -> str:
        """By which it was found last."""
        return self.position.path

    def open(self, path: str, id: Id) -> None:
        """Raises OSError, or `CannotUnpack`."""
        descriptor = opened(path, id)
        try:
            if self.packed:
                self._content = Unpacked(descriptor, path)
        except BaseException:
            os.close(descriptor)
            raise
        self.descriptor, self.id = descriptor, id
        self._settled, self.goal = False, -1

    def size(self) -> int:
        """Its bytes, packed if it is."""
        return 0 if self.descriptor is None else os.fstat(self.descriptor).st_size

    def close(self) -> None:
        """Let go of the file."""
        if self._content is not None:
            self._content.close()
            self._content = None
        if self.descriptor is not None:
            with suppress(OSError):
                os.close(self.descriptor)
            self.descriptor = None

    @contextmanager
    def _any_descriptor(self) -> Iterator[int]:
        """Of the file, whether it is open or not; raises OSError."""
        if self.descriptor is not None:
            yield self.descriptor
            return
        descriptor = opened(self.path, self.id)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def begins_as(self, found: Seen) -> bool:
        """Whether it begins with what is in that file; raises `Moved`, also where it was itself."""
        try:
            with self._any_descriptor() as own:
                return begins(found.path, found.id, found.size, own)
        except Moved:
            raise
        except OSError:
            return False

    def begins_with(self, head: bytes, tail: bytes, size: int) -> bool:
        """Whether its first bytes, so many, begin and end so; raises `Moved`."""
        if self.packed:
            return False
        try:
            with self._any_descriptor() as own:
                return (
                    os.pread(own, len(head), 0) == head
                    and os.pread(own, len(tail), size - len(tail)) == tail
                )
        except Moved:
            raise
        except OSError:
            return False

    def go_to(self, end: int) -> None:
        """Begin behind the last line that ends before there."""
        assert self.descriptor is not None
        before = os.pread(self.descriptor, self._block, max(0, end - self._block))
        self.place(end - len(before) + (before.rfind(b"\n") + 1))

    def place(self, offset: int) -> None:
        """Begin there."""
        assert self.descriptor is not None
        before = os.pread(self.descriptor, min(offset, PRINT), max(0, offset - PRINT))
        self.position = self.position.but(offset=offset, print=fingerprint(before), earlier=())

    def is_itself(self) -> bool:
        """Whether what was read of it is still in it, as far as one can see."""
        if self.descriptor is None or self.packed:
            return True
        size = os.fstat(self.descriptor).st_size
        if not self.position.offset:
            rest = os.pread(self.descriptor, len(self._rest), 0)
            return size >= self.seen and rest == self._rest
        return self.position.is_of(self.descriptor)

    def look_at_beginning(self) -> None:
        """Of a file of which nothing is read, know what is in it, as it may be truncated before it is."""
        if self.descriptor is not None and not (self.position.offset or self.packed):
            self._rest = os.pread(self.descriptor, PRINT, 0)

    def has_news(self, now: float) -> bool:
        """Whether there may be something to read; `now` by any clock that only goes forward."""
        if self.descriptor is None or self.is_binary:
            return False
        state = os.fstat(self.descriptor)
        looks = (state.st_size, state.st_mtime_ns)
        if looks != self.looks:
            self.looks, self._settled = looks, False
            self.grown_at = now
        return not self._settled

    @property
    def is_behind(self) -> bool:
        """Whether there is something that is to be read now, and that those written after it wait for."""
        return self.descriptor is not None and self.position.offset < self.goal

    @property
    def is_settled(self) -> bool:
        """Whether it is open, and was read to its end."""
        return self.descriptor is not None and self._settled

    def aim(self, now: float) -> None:
        """At what it has got by now; if it is not longer than what was read, at finding out why."""
        has_news = self.has_news(now)
        size = sys.maxsize if self.packed else self.looks[0]
        self.goal = max(size, self.position.offset + 1) if has_news else 0

    def is_gone(self) -> bool:
        """Whether it has no name any more at all."""
        return self.descriptor is not None and os.fstat(self.descriptor).st_nlink == 0

    async def read(self, feed: Feed, *, to_the_end: bool = False) -> Found:
        """Hand over the next block, up to the goal; `to_the_end`: all, and what comes last needs no end."""
        if to_the_end:
            self.goal = sys.maxsize
        try:
            found = await self._read(feed, to_the_end=to_the_end or self.packed)
        except (OSError, CannotUnpack) as error:
            self._say_failing(error)
            found = Found.FAILED
        else:
            self._is_failing = False
        self._settled = found is not Found.LINES and self.goal >= self.looks[0]
        if found is not Found.LINES:
            self.goal = 0
        return found

    def _say_failing(self, error: Exception) -> None:
        if not self._is_failing:
            self._is_failing = True
            log.warning(
                "%s cannot be read behind byte %d: %s; %s",
                self.path,
                self.position.offset,
                reason(error),
                "the rest of it is not read" if self.packed else "it is tried again",
            )

    async def _read(self, feed: Feed, *, to_the_end: bool) -> Found:
        at = self.position
        block = min(self._block, self.goal - at.offset)
        data = await self._pread(at.before + block, at.offset - at.before)
        before, data = data[: at.before], data[at.before :]
        if not at.fits(before) or not (at.offset or self._is_as_before(data)):
            return Found.OTHER
        self._say_if_shorter()
        if at.offset == 0 and data.startswith(_GZIP):
            self.is_binary = True
            return Found.NOTHING
        entries, used, skipping = await self._cut(data, to_the_end=to_the_end)
        if used:
            place = at.forward(at.offset + used, before + data[:used], skipping=skipping)
            await feed.put(entries, Mark(self.key, place.text()))
            self.position = place
        self._rest = data[used:][:PRINT]
        return Found.LINES if used else Found.NOTHING

    async def _pread(self, count: int, offset: int) -> bytes:
        assert self.descriptor is not None
        if self._content is not None:
            return await to_thread(self._content.pread, count, offset)
        return os.pread(self.descriptor, count, offset)

    def _is_as_before(self, data: bytes) -> bool:
        """Of a file of which nothing was read, there is nothing else to go by."""
        is_same = data.startswith(self._rest) or self._rest.startswith(data)
        return self.packed or (self.looks[0] >= self.seen and is_same)

    def _say_if_shorter(self) -> None:
        """Say what was cut off, where what was read is still there."""
        if not self.packed and self.looks[0] < self.seen:
            lost = self.seen - max(self.looks[0], self.position.offset)
            if lost > 0:
                log.warning(
                    "%s was made shorter, and %d bytes of it were not read yet", self.path, lost
                )
        self.seen = self.looks[0]

    async def _cut(self, data: bytes, *, to_the_end: bool) -> tuple[Sequence[Entry], int, bool]:
        """Entries of whole lines, how many bytes these are, and whether a line goes on that is too long."""
        at = self.position.offset
        begin = 0
        is_last = to_the_end and len(data) < self._block
        if self.position.skipping:
            begin = data.find(b"\n") + 1
            if not begin:
                return [], len(data), not is_last
        end = len(data) if is_last else data.rfind(b"\n") + 1
        if end > begin:
            block = data[begin:end].lstrip(b"\0")  # what copytruncate may leave in front
            return await self.reader.all(block, at + end - len(block)), end, False
        if len(data) - begin >= self.reader.longest + 2:
            return [self.reader.too_long(data[begin:], at + begin)], len(data), True
        return [], begin, False

    async def note(self, feed: Feed) -> None:
        """Have the outbox know the place."""
        await feed.put([], Mark(self.key, self.position.text()))

    def finished(self) -> None:
        """It was rotated away, and read to its end: it is not missed when it is gone."""
        stamp = stamp_of(*self.looks)
        self.position = self.position.but(done=True, stamp=stamp)
