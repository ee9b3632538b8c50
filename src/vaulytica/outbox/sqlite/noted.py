"""What a relay has found of its file: noted beside it, in the lock, as nothing is to be written into what is damaged.

So it can be told by others, for nothing, also after the relay has ended; the next one begins anew.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

from vaulytica.errors import OutboxDamagedError
from vaulytica.outbox.sqlite.lock import OwnerLock, note_of


class Damage(msgspec.Struct, frozen=True):
    """`since`: seconds since 1970 at which it was found. `file`: which one; a new one in its place is another.

    One that is copied over it is not: it has the same number.
    """

    since: float
    why: str
    file: tuple[int, int]


def note(lock: OwnerLock, path: Path, error: Exception, now: float) -> None:
    """Keep that the file is damaged, if it is that; the first time stays."""
    if isinstance(error, OutboxDamagedError) and not lock.has_note:
        with suppress(OSError):  # the file itself may be gone
            lock.note(msgspec.json.encode(Damage(now, str(error), _which(path))))


def noted_damage(path: Path) -> Damage | None:
    """What the relay that runs on it, or ran on it last, has found; None of a file that is another now."""
    try:
        found = msgspec.json.decode(note_of(path), type=Damage)
        return found if found.file == _which(path) else None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _which(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino
