"""Followed: one file, read from where it was read to, block by block."""

from __future__ import annotations

import os
import time
import uuid
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum
from pathlib import Path

import msgspec

from vaulytica.outbox.delivery import Mark
from vaulytica.relay.accept import Entry
from vaulytica.relay.intake.feed import Feed
from vaulytica.relay.intake.line_reader import LineReader
from vaulytica.relay.intake.settings import IntakeLimits, TailSettings
from vaulytica.relay.intake.tail.position import PRINT, Position, fingerprint

BLOCK = 512 * 1024
PREFIX = "tail:"
_REMEMBERED = 32  # places that were reached last
_GZIP = b"\x1f\x8b"


Id = tuple[int, int]
"""Device and inode: what a file is as long as the machine runs, and there is one that has it open."""


class Found(Enum):
    """What there was to read."""

    NOTHING = 1
    LINES = 2
    OTHER = 3  # the file is not what it was: truncated, or written anew


class Followed:
    """A file that is open, or was until it was quiet for long. `key`: of its mark.

    `left_since`: when it was seen to have no name any more that is looked for.
    """

    def __init__(
        self, position: Position, settings: TailSettings, limits: IntakeLimits, key: str = ""
    ) -> None:
        self.position = position
        self.settings = settings
        self.reader = reader = LineReader(settings, limits, position.path)
        self.key = key or f"{PREFIX}{uuid.uuid4()}"
        self.id: Id = (0, position.ino)
        self.descriptor: int | None = None
        self.left_since: float | None = None
        self._history: deque[Position] = deque(maxlen=_REMEMBERED)
        self.renamed = False
        self.grown_at = 0.0
        self.seen = 0  # bytes that it had when it was looked at last
        self.is_binary = False
        self._block = max(BLOCK, reader.longest + 2)
        self._looks = (0, 0)  # its size and when it was changed
        self._settled = False  # looking so, it has nothing more

    @property
    def path(self) -> str:
        """By which it was found last."""
        return self.position.path

    def open(self, path: str) -> bool:
        """Whether there is such a file, and it is this one."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return False
        state = os.fstat(descriptor)
        if state.st_ino != self.position.ino:
            os.close(descriptor)
            return False
        self.descriptor, self.id = descriptor, (state.st_dev, state.st_ino)
        return True

    def go_to(self, end: int) -> None:
        """Begin behind the last line that ends before there."""
        assert self.descriptor is not None
        before = os.pread(self.descriptor, self._block, max(0, end - self._block))
        end -= len(before) - (before.rfind(b"\n") + 1)
        self.place(end)

    def place(self, offset: int) -> None:
        """Begin there."""
        assert self.descriptor is not None
        before = os.pread(self.descriptor, min(offset, PRINT), max(0, offset - PRINT))
        self.position = msgspec.structs.replace(
            self.position, offset=offset, print=fingerprint(before), at=round(time.time())
        )

    def is_itself(self) -> bool:
        """Whether what was read of it is still in it, as far as one can see."""
        return self.descriptor is not None and self.position.is_in(self.descriptor)

    def covers(self, path: str, size: int) -> bool:
        """Whether so many bytes of that file are those that were read of this one."""
        with suppress(OSError), Path(path).open("rb") as other:
            if self.is_itself():
                assert self.descriptor is not None
                for at in range(0, size, self._block):
                    count = min(self._block, size - at)
                    if other.read(count) != os.pread(self.descriptor, count, at):
                        return False
                return True
            # It was truncated since; then a place that both had is all there is to go by.
            return any(at.is_in(other.fileno()) for at in self._history if 0 < at.offset <= size)
        return False

    def close(self) -> None:
        """Let go of the file."""
        if self.descriptor is not None:
            with suppress(OSError):
                os.close(self.descriptor)
            self.descriptor = None

    def has_news(self, now: float) -> bool:
        """Whether there may be something to read; `now` by any clock that only goes forward."""
        if self.descriptor is None or self.is_binary:
            return False
        state = os.fstat(self.descriptor)
        looks = (state.st_size, state.st_mtime_ns)
        if looks != self._looks:
            self._looks, self._settled = looks, False
            self.grown_at = now
        return not self._settled

    def is_gone(self) -> bool:
        """Whether it has no name any more at all."""
        return self.descriptor is not None and os.fstat(self.descriptor).st_nlink == 0

    async def read(self, feed: Feed, *, to_the_end: bool = False) -> Found:
        """Hand over the next block; `to_the_end`: what comes last is a line, also without its end."""
        found = await self._read(feed, to_the_end=to_the_end)
        self._settled = found is Found.NOTHING
        return found

    async def _read(self, feed: Feed, *, to_the_end: bool) -> Found:
        at = self.position
        assert self.descriptor is not None
        data = os.pread(self.descriptor, at.before + self._block, at.offset - at.before)
        before, data = data[: at.before], data[at.before :]
        if not at.fits(before):
            return Found.OTHER
        self.seen = self._looks[0]
        if at.offset == 0 and data.startswith(_GZIP):
            self.is_binary = True
            return Found.NOTHING
        entries, used, skipping = self._cut(data, to_the_end=to_the_end)
        if not used:
            return Found.NOTHING
        position = msgspec.structs.replace(
            at,
            offset=at.offset + used,
            print=fingerprint(before + data[:used]),
            skipping=skipping,
            at=round(time.time()),
        )
        await feed.put(entries, Mark(self.key, position.text()))
        self.position = position
        self._history.append(position)
        return Found.LINES

    def _cut(self, data: bytes, *, to_the_end: bool) -> tuple[Sequence[Entry], int, bool]:
        """Entries of whole lines, how many bytes these are, and whether a line goes on that is too long."""
        at = self.position.offset
        begin = 0
        if self.position.skipping:
            begin = data.find(b"\n") + 1
            if not begin:
                return [], len(data), not to_the_end
        end = data.rfind(b"\n") + 1
        if to_the_end and len(data) < self._block:
            end = len(data)
        if end > begin:
            block = data[begin:end].lstrip(b"\0")  # what copytruncate may leave in front
            return self.reader.read(block, at + end - len(block)), end, False
        if len(data) - begin >= self.reader.longest + 2:
            return [self.reader.too_long(data[begin:], at + begin)], len(data), True
        return [], begin, False

    async def note(self, feed: Feed) -> None:
        """Have the outbox know the place."""
        await feed.put([], Mark(self.key, self.position.text()))
