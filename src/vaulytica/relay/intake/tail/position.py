"""Position: how far a file has been read, and how to tell it again."""

from __future__ import annotations

import fcntl
import hashlib
import os
import struct
import sys
from collections.abc import Collection

import msgspec

PRINT = 1024  # bytes before the place, by which the file is told
_EARLIER = 8  # places before it, by which a copy is told that ends there
_GETVERSION = 0x8000_7601 | struct.calcsize("l") << 16  # FS_IOC_GETVERSION of linux/fs.h


class Position(msgspec.Struct, frozen=True, omit_defaults=True):
    """`offset` bytes of it are read, of a packed file after unpacking. `print`: of the bytes before.

    `wanted`: the path or glob of the settings by which it was found, `base` the path that it had before any
    rotation, `first` the path by which it was found first. `skipping`: in a line too long. `done`: it was
    rotated away, and read to its end. `stamp`: its size and time of change then, by which it is told where
    it cannot be by what is in it. `truncated`: its inode has other content now. `gone`: since when it was
    not found any more, in seconds since 1970. `earlier`: offsets and prints. `generation`: of its inode.
    """

    path: str
    ino: int
    wanted: str
    base: str
    first: str
    offset: int = 0
    print: str = ""
    skipping: bool = False
    done: bool = False
    truncated: bool = False
    stamp: str = ""
    gone: int = 0
    earlier: tuple[tuple[int, str], ...] = ()
    generation: int = 0

    def but(self, **changes: object) -> Position:
        """The same with some changes."""
        return msgspec.structs.replace(self, **changes)

    def now_at(self, path: str, ino: int) -> Position:
        """The same place, in a file of that name."""
        generation = self.generation if ino == self.ino else 0
        return self.but(path=path, ino=ino, generation=generation)

    def forward(self, offset: int, before: bytes, *, skipping: bool = False) -> Position:
        """The next place; `before`: at least the last bytes before it."""
        earlier = (*self.earlier, (self.offset, self.print))[-_EARLIER:]
        if not self.offset:  # the first bytes, too
            earlier = ((PRINT, fingerprint(before[:PRINT])),) if len(before) > PRINT else ()
        return self.but(
            offset=offset,
            print=fingerprint(before),
            skipping=skipping,
            earlier=earlier,
            done=False,
        )

    def text(self) -> str:
        """For the outbox."""
        return msgspec.json.encode(self).decode()

    @property
    def before(self) -> int:
        """How many bytes its print is of."""
        return min(self.offset, PRINT)

    def is_among(self, inodes: Collection[int]) -> bool:
        """Whether its file is one of those, and has not got other content."""
        return self.ino in inodes and not self.truncated

    def fits(self, before: bytes) -> bool:
        """Whether these bytes stand before the place."""
        return len(before) == self.before and (not before or fingerprint(before) == self.print)

    def is_of(self, descriptor: int) -> bool:
        """Whether an open file of its inode is the same, as far as one can see."""
        now = generation(descriptor) if self.generation else 0
        return now in (0, self.generation) and self.is_in(descriptor)

    def is_in(self, descriptor: int) -> bool:
        """Whether an open file has been read to here, as far as one can see."""
        if os.fstat(descriptor).st_size < self.offset:
            return False
        return self.fits(os.pread(descriptor, self.before, self.offset - self.before))

    def was_in(self, descriptor: int) -> bool:
        """Whether an open file is the beginning of what was read: a copy made before the last of it came."""
        size = os.fstat(descriptor).st_size
        earlier = [place for place in self.earlier if place[0] <= size]
        if size >= self.offset or not earlier:
            return False
        offset, print = earlier[-1]
        before = min(offset, PRINT)
        return fingerprint(os.pread(descriptor, before, offset - before)) == print


def position_of(text: str) -> Position | None:
    """From the outbox; None if it is of another version."""
    try:
        return msgspec.json.decode(text, type=Position)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def stamp_of(size: int, changed: int) -> str:
    """Of a file; `changed`: in nanoseconds."""
    return f"{size}:{changed}"


def generation(descriptor: int) -> int:
    """Of an inode: another number each time it is used for a new file. 0 where the file system has none."""
    answer = bytearray(8)
    try:
        fcntl.ioctl(descriptor, _GETVERSION, answer)
    except OSError:
        return 0
    return int.from_bytes(answer[:4], sys.byteorder)


def fingerprint(before: bytes) -> str:
    """Of the last bytes of these."""
    return hashlib.blake2b(before[-PRINT:], digest_size=16).hexdigest()
