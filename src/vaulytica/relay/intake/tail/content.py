"""What is in a file, by which it is told: asked by its inode, as its name may be another file's by now."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TypeVar

from vaulytica.relay.intake.tail.files import Id
from vaulytica.relay.intake.tail.names import is_rotation, unpacked
from vaulytica.relay.intake.tail.position import PRINT, Position, fingerprint

_HEAD, _TAIL = 4096, 64 * 1024  # bytes at the ends of what may be a copy

T = TypeVar("T")


class Moved(FileNotFoundError):
    """Another file has that name by now, or none: what was asked of it is to be asked again."""


def opened(path: str, id: Id) -> int:
    """A descriptor of that file; raises `Moved`, or OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise Moved(path) from None
    state = os.fstat(descriptor)
    if (state.st_dev, state.st_ino) != id:
        os.close(descriptor)
        raise Moved(path)
    return descriptor


def is_in(position: Position, path: str, id: Id) -> bool:
    """Whether that file has been read to there, as far as one can see; raises `Moved`."""
    return bool(_asked(path, id, position.is_in))


def is_of(position: Position, path: str, id: Id) -> bool:
    """Whether that file, which has its inode, is the same; raises `Moved`."""
    return bool(_asked(path, id, position.is_of))


def was_in(position: Position, path: str, id: Id) -> bool:
    """Whether that file is the beginning of what was read, as far as one can see; raises `Moved`."""
    return bool(_asked(path, id, position.was_in))


def _asked(path: str, id: Id, ask: Callable[[int], T]) -> T | None:
    try:
        descriptor = opened(path, id)
        try:
            return ask(descriptor)
        finally:
            os.close(descriptor)
    except Moved:
        raise
    except OSError:
        return None


def print_at(path: str, id: Id, offset: int) -> str:
    """The print of a place; empty if it cannot be read; raises `Moved`."""

    def printed(descriptor: int) -> str:
        return fingerprint(os.pread(descriptor, min(offset, PRINT), max(0, offset - PRINT)))

    return _asked(path, id, printed) or ""


def begins(path: str, id: Id, size: int, descriptor: int) -> bool:
    """Whether the open file begins with what is in that one, by both ends of it; raises `Moved`."""

    def same(other: int) -> bool:
        return os.fstat(descriptor).st_size >= size and all(
            os.pread(other, min(count, size - at), at)
            == os.pread(descriptor, min(count, size - at), at)
            for at, count in [(0, _HEAD), (max(0, size - _TAIL), _TAIL)]
        )

    return bool(_asked(path, id, same))


def where_it_goes_on(position: Position, but: Collection[Id]) -> tuple[str, Id] | None:
    """The file beside it that has what this one had; but none of those. Raises `Moved`.

    It is the same file by another name, or a copy.
    """
    beside = [
        (path, (state.st_dev, state.st_ino))
        for path, state in _beside(position.base)
        if state.st_size >= position.offset and (state.st_dev, state.st_ino) not in but
    ]
    beside.sort(key=lambda found: (found[1][1] != position.ino, found))
    for path, id in beside:
        same_path = path == position.base  # it may begin alike, and be another
        enough = position.offset >= PRINT if same_path else position.offset > 0
        if (id[1] == position.ino or enough) and is_in(position, path, id):
            return path, id
    return None


def _beside(path: str) -> Iterator[tuple[str, os.stat_result]]:
    try:
        with os.scandir(Path(path).parent) as entries:
            for entry in entries:
                if (entry.path == path or is_rotation(entry.path, path)) and entry.is_file():
                    yield entry.path, entry.stat()
    except OSError:
        return


def is_being_packed(path: str) -> bool:
    """Whether what it is made of is still there."""
    return Path(unpacked(path)).exists()
