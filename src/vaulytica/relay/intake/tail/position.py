"""Position: how far a file has been read, and how to tell it again."""

from __future__ import annotations

import hashlib
import os

import msgspec

PRINT = 1024  # bytes before the place, by which the file is told


class Position(msgspec.Struct, frozen=True):
    """`offset` bytes of it are read. `print`: of the bytes before; `at`: when, in seconds since 1970.

    `wanted`: the path or glob of the settings by which it was found, `base` the path by which it was at
    first. `skipping`: in a line too long.
    """

    path: str
    ino: int
    wanted: str
    base: str
    offset: int = 0
    print: str = ""
    skipping: bool = False
    at: int = 0

    def now_at(self, path: str, ino: int) -> Position:
        """The same place, in a file of that name."""
        return msgspec.structs.replace(self, path=path, ino=ino)

    def text(self) -> str:
        """For the outbox."""
        return msgspec.json.encode(self).decode()

    @property
    def before(self) -> int:
        """How many bytes its print is of."""
        return min(self.offset, PRINT)

    def fits(self, before: bytes) -> bool:
        """Whether these bytes stand before the place."""
        return len(before) == self.before and (not before or fingerprint(before) == self.print)

    def is_in(self, descriptor: int) -> bool:
        """Whether an open file has been read to here, as far as one can see."""
        if os.fstat(descriptor).st_size < self.offset:
            return False
        return self.fits(os.pread(descriptor, self.before, self.offset - self.before))


def position_of(text: str) -> Position | None:
    """From the outbox; None if it is of another version."""
    try:
        return msgspec.json.decode(text, type=Position)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def fingerprint(before: bytes) -> str:
    """Of the last bytes of these."""
    return hashlib.blake2b(before[-PRINT:], digest_size=16).hexdigest()
