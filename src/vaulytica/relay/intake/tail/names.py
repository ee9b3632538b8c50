"""Names of rotated files: which name one had before, and which of two was written first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

PACKED = (".gz", ".bz2", ".xz", ".zst")
_OLD = (".old", ".bak")
_NUMBER = re.compile(r"\d[-._:+\dTZ]*")  # of a rotation: 1, 20251029, 2025-10-29T12:00:00Z
_MIDDLE = re.compile(r"(.+?)[-._](\d[-._:+\dTZ]*)(\.[^.\d][^.]*)")
_DATE = 6  # digits at least of a number in the middle of a name, to be one of a rotation for sure
_LARGEST = 6  # digits of a number that counts down to the newest


def is_packed(name: str) -> bool:
    """Whether it is the name of a compressed file."""
    return name.endswith(PACKED)


def unpacked(name: str) -> str:
    """The name before it was compressed."""
    return name.rsplit(".", 1)[0] if is_packed(name) else name


@lru_cache(maxsize=32_768)  # they are looked at every second
def bases(name: str) -> tuple[str, ...]:
    """The names that a file of this name may have been rotated from, the shortest first.

    `app.log.1`, `app.log-20251029-2.gz`, `app.log.old`, `app-2025-10-29.log`; but not `app-2.log`, which as
    well may be another program's.
    """
    return tuple(dict.fromkeys(_bases(unpacked(name))))


def _bases(name: str) -> Iterator[str]:
    if name.endswith(_OLD):
        yield name.rsplit(".", 1)[0]
    for at in range(1, len(name) - 1):
        if name[at] in "-._" and _NUMBER.fullmatch(name, at + 1):
            yield name[:at]
    middle = _MIDDLE.fullmatch(name)
    if middle is not None and sum(map(str.isdigit, middle[2])) >= _DATE:
        yield middle[1] + middle[3]


def is_rotation(path: str, of: str) -> bool:
    """Whether the one may be the other's name after a rotation, also where that is not sure: `app-2.log`."""
    one, other = Path(path), Path(of)
    if one.parent != other.parent or one.name == other.name:
        return False
    if one.name.startswith(other.name):
        return one.name[len(other.name)] in "-._~"
    middle = rf"[-._]\d[-._:\dTZ]*{re.escape(other.suffix)}"
    return re.fullmatch(re.escape(other.stem) + middle, one.name) is not None


def age(path: str, base: str) -> tuple[int, ...]:
    """By which rotated files of one base are in the order in which they were written, the oldest first.

    Only where times do not tell: single numbers count down to the newest, dates and what follows them up.
    """
    name, stem = unpacked(Path(path).name), Path(base).name
    numbers = re.findall(r"\d+", name.removeprefix(stem))
    if len(numbers) == 1 and len(numbers[0]) < _LARGEST:
        return (-int(numbers[0]),)
    return tuple(map(int, numbers))
