"""Which files there are, and which of those that are known each of them is.

A rotation by renaming leaves the inode: the file that is open is read to its end and a while longer, as its
writer may not have heard yet; what has its name now is a new file. A rotation by copying and truncating
leaves the inode and takes the content: what was not read yet is in the copy, which is found by the
bytes before the place, and read from there on.
"""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import msgspec

from vaulytica.relay.intake.settings import TailSettings
from vaulytica.relay.intake.tail.followed import Id
from vaulytica.relay.intake.tail.position import Position


class Seen(msgspec.Struct, frozen=True):
    """A file that a path or glob of the settings is of."""

    path: str
    id: Id
    size: int
    settings: TailSettings


def matching(tails: Iterable[TailSettings]) -> Iterator[Seen]:
    """All regular files, each once, by the first of the settings that it is of."""
    known: set[Id] = set()
    for settings in tails:
        for path in sorted(glob.glob(settings.path, recursive=True)):  # noqa: PTH207 - whole paths
            try:
                state = Path(path).stat()
            except OSError:
                continue
            id = (state.st_dev, state.st_ino)
            if stat.S_ISREG(state.st_mode) and id not in known:
                known.add(id)
                yield Seen(path, id, state.st_size, settings)


def where_it_goes_on(position: Position, but: Collection[Id]) -> tuple[str, int] | None:
    """Path and inode of the file beside it that has what this one had; but none of those.

    It is the same file by another name, or a copy.
    """
    beside = [
        (path, state.st_ino)
        for path, state in _beside(position.base)
        if state.st_size >= position.offset and (state.st_dev, state.st_ino) not in but
    ]
    beside.sort(key=lambda found: (found[1] != position.ino, found))
    for path, ino in beside:
        if (ino == position.ino or position.offset) and is_in(position, path):
            return path, ino
    return None


def is_in(position: Position, path: str) -> bool:
    """Whether that file has been read to there, as far as one can see."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return position.is_in(descriptor)
    except OSError:
        return False
    finally:
        os.close(descriptor)


def is_rotation(path: str, of: str) -> bool:
    """Whether the one is the other's name after a rotation: `app.log.1`, `app.log-20251029`, `app-2.log`."""
    one, other = Path(path), Path(of)
    if one.parent != other.parent or one.name == other.name:
        return False
    if one.name.startswith(other.name):
        return one.name[len(other.name)] in "-._~"
    middle = rf"[-._]\d[-._:\dTZ]*{re.escape(other.suffix)}"
    return re.fullmatch(re.escape(other.stem) + middle, one.name) is not None


def _beside(path: str) -> Iterator[tuple[str, os.stat_result]]:
    try:
        with os.scandir(Path(path).parent) as entries:
            for entry in entries:
                if (entry.path == path or is_rotation(entry.path, path)) and entry.is_file():
                    yield entry.path, entry.stat()
    except OSError:
        return
