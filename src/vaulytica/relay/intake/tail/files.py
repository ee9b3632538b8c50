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
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from vaulytica.relay.intake.settings import TailSettings
from vaulytica.relay.intake.tail.names import bases, is_packed
from vaulytica.relay.intake.tail.position import stamp_of

Id = tuple[int, int]
"""Device and inode: what a file is as long as the machine runs, and there is one that has it open."""

_TRIES = 5
_MOMENT = 0.02  # seconds, more than two steps of a file system's clock


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

    `steady`: nothing was renamed meanwhile, so that none was missed between two others; else it is what was
    seen in any of some listings.
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
    seen: dict[Id, Seen] = {}
    for _ in range(_TRIES):
        each = [(settings, folders(settings.path)) for settings in tails]
        before = _changed(each)
        found = _sight(each)
        seen |= found.seen
        last, names = names, {id: it.path for id, it in found.seen.items()}
        is_same = before == _changed(each)
        found.steady = is_same and (last == names or _are_old(before))
        if found.steady:
            break
        if not is_same:
            time.sleep(_MOMENT)
    else:
        found.seen = seen  # what one listing has missed, another has
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


def takes_in(path: str, file: Path) -> bool:
    """Whether a path or glob has that file, be it there yet or not."""
    pattern, its = _pattern(path), file.parent.resolve()
    found = [Path(folder).resolve() for folder in folders(path)]
    if pattern is None:
        return any(its.is_relative_to(folder) for folder in found)
    return pattern.match(file.name) is not None and its in found


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
