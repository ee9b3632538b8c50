"""Which files there are: those of the settings' paths and globs, and those that were such before a rotation.

A rotation by renaming leaves the inode; what has its name now is a new file. A rotation by copying and
truncating leaves the inode and takes the content: what was not read yet is in the copy, which is found by
the bytes before the place. What was made and renamed while nobody looked is found by its name.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re
import stat
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from vaulytica.relay.intake.settings import TailSettings
from vaulytica.relay.intake.tail.names import bases, is_packed, is_rotation, unpacked
from vaulytica.relay.intake.tail.position import PRINT, Position, fingerprint, stamp_of

Id = tuple[int, int]
"""Device and inode: what a file is as long as the machine runs, and there is one that has it open."""

_TRIES = 5
_MOMENT = 0.02  # seconds, more than two steps of a file system's clock
_HEAD, _TAIL = 4096, 64 * 1024  # bytes at the ends of what may be a copy


T = TypeVar("T")


class Seen(msgspec.Struct, frozen=True):
    """A file. `base`: the path that it had before any rotation. `beside`: only its rotation makes it one.

    `changed`: when, in nanoseconds. `packed`: it is read after unpacking.
    """

    path: str
    id: Id
    size: int
    changed: int
    settings: TailSettings
    base: str
    beside: bool = False
    packed: bool = False

    @property
    def stamp(self) -> str:
        """By which it is told where nothing that is in it is known."""
        return stamp_of(self.size, self.changed)


class Sight(msgspec.Struct):
    """What there is to see. `refused`: folders that cannot be listed, and why.

    `steady`: nothing was renamed meanwhile, so that none was missed between two others.
    """

    seen: dict[Id, Seen]
    refused: dict[str, str]
    steady: bool = True

    def add(self, found: Seen, state: os.stat_result) -> None:
        """Only if it is a regular file, and not there by another name."""
        if stat.S_ISREG(state.st_mode):
            self.seen.setdefault(found.id, found)


Folders = Sequence[tuple[TailSettings, Sequence[str]]]


def sight(tails: Sequence[TailSettings]) -> Sight:
    """All regular files, each once: by the first of the settings whose path it has, else had.

    Folders tell when they were changed, but not finely: what changed a moment ago is looked at twice.
    """
    names: dict[Id, str] = {}
    for _ in range(_TRIES):
        each = [(settings, folders(settings.path)) for settings in tails]
        before = _changed(each)
        found = _sight(each)
        last, names = names, {id: it.path for id, it in found.seen.items()}
        is_same = before == _changed(each)
        found.steady = is_same and (last == names or _are_old(before))
        if found.steady:
            break
        if not is_same:
            time.sleep(_MOMENT)
    return found


def _are_old(changed: Sequence[int]) -> bool:
    """Whether the last change is further away than a clock's step."""
    return all(abs(time.time() - at / 1e9) > _MOMENT for at in changed)


def _sight(tails: Folders) -> Sight:
    found = Sight({}, {})
    links: list[tuple[TailSettings, str, str]] = []
    for settings, _ in tails:
        pattern = _pattern(settings.path)
        for path in sorted(glob.glob(settings.path, recursive=True)):  # noqa: PTH207 - whole paths
            with suppress(OSError, RuntimeError):
                found.add(*_seen(path, Path(path).stat(), settings, _base(path, pattern)))
                if Path(path).is_symlink():
                    links.append((settings, str(Path(path).resolve()), path))
    listed: dict[str, list[os.DirEntry[str]]] = {}
    for settings, of_it in tails:
        pattern = _pattern(settings.path)
        for folder in of_it if pattern is not None else ():
            _beside_those(found, settings, pattern, _entries(folder, listed, found.refused))
    for settings, target, link in links:  # what a link led to, and is rotated where it lies
        for entry in _entries(str(Path(target).parent), listed, found.refused):
            if Path(target).name in bases(entry.name):
                _add_beside(found, entry, settings, link)
    return found


def _beside_those(
    found: Sight,
    settings: TailSettings,
    pattern: re.Pattern[str] | None,
    entries: Sequence[os.DirEntry[str]],
) -> None:
    for entry in entries:
        base = _base(entry.path, pattern)
        if base is not None and pattern is not None and not pattern.match(entry.name):
            _add_beside(found, entry, settings, base)


def _seen(
    path: str, state: os.stat_result, settings: TailSettings, base: str | None
) -> tuple[Seen, os.stat_result]:
    id = (state.st_dev, state.st_ino)
    packed = base is not None and is_packed(path)
    return (
        Seen(path, id, state.st_size, state.st_mtime_ns, settings, base or path, packed=packed),
        state,
    )


def _add_beside(found: Sight, entry: os.DirEntry[str], settings: TailSettings, base: str) -> None:
    """Not through links: a name is not enough to be led to anywhere."""
    with suppress(OSError):
        it, state = _seen(entry.path, entry.stat(follow_symlinks=False), settings, base)
        found.add(msgspec.structs.replace(it, beside=True), state)


def _changed(tails: Folders) -> list[int]:
    """When each folder was."""
    changed = []
    for folder in {folder for _, of_it in tails for folder in of_it}:
        try:
            changed.append(Path(folder).stat().st_mtime_ns)
        except OSError:
            changed.append(0)
    return changed


def _pattern(path: str) -> re.Pattern[str] | None:
    """Of the last part of a path or glob; None where that is of folders, too."""
    last = Path(path).name
    hidden = "" if last.startswith(".") else r"(?!\.)"  # as glob has it
    return None if last == "**" else re.compile(hidden + fnmatch.translate(last))


def _base(path: str, pattern: re.Pattern[str] | None) -> str | None:
    """What it was called before any rotation, if that is looked for, too."""
    name = path.rpartition("/")[2]
    for base in bases(name):
        if pattern is not None and pattern.match(base):
            return path[: len(path) - len(name)] + base  # there may be very many
    return None


def folders(path: str) -> list[str]:
    """Those that may have files of a path or glob."""
    return glob.glob(str(Path(path).parent), recursive=True)  # noqa: PTH207 - whole paths


def _entries(
    folder: str, listed: dict[str, list[os.DirEntry[str]]], refused: dict[str, str]
) -> list[os.DirEntry[str]]:
    """Those of a folder whose names may be of a rotation."""
    if folder not in listed:
        listed[folder] = []
        try:
            with os.scandir(folder) as entries:
                listed[folder] = [entry for entry in entries if bases(entry.name)]
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            refused[folder] = error.strerror or str(error)
    return listed[folder]


# --- What is in them.


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
