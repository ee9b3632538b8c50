"""What SQLite says is wrong, in one line that names the file and what helps."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from vaulytica.errors import OutboxDamagedError, OutboxError, OutboxInUseError, WebhookError

_WHY = {
    sqlite3.SQLITE_FULL: "the disk is full; make room, and try again",
    sqlite3.SQLITE_READONLY: "it, or its folder, is read-only for this user; SQLite has to write both",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; the folder must exist and be writable for this user",
    sqlite3.SQLITE_PERM: "this user may not open it",
    sqlite3.SQLITE_IOERR: "the disk has an error; look into the system's log",
    sqlite3.SQLITE_NOMEM: "there is not enough memory",
    sqlite3.SQLITE_TOOBIG: "the events are too large to be kept together",
}
_NO_OUTBOX = ", if it ever was an outbox"
_LEAST = 64 * 1024  # bytes free, without which SQLite cannot open a file
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
# What comes of rows that are not as they were written, where a page stands in another's place.
SENSELESS = (
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    msgspec.MsgspecError,
)
_IN_USE = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_of_the_file(error: sqlite3.Error) -> bool:
    """Whether the fault is with the file or the disk, and so the same for all that is under way."""
    code = _code(error)
    return code in _WHY or code in _DAMAGED or code in _IN_USE


def is_damage(error: sqlite3.Error) -> bool:
    """Whether what is in the file cannot be as SQLite wrote it."""
    return _code(error) in _DAMAGED


def explained(error: Exception, path: Path, look: Callable[[], str | None]) -> Exception:
    """The error to raise instead. What a verb could make no sense of is damage if a `look` at the rows says so."""
    if isinstance(error, sqlite3.Error):
        return _of_sqlite(error, path)
    if not isinstance(error, SENSELESS) or isinstance(error, WebhookError):
        return error
    why = look()
    return error if why is None else damaged(f"({why})", path)


def _of_sqlite(error: sqlite3.Error, path: Path) -> OutboxError:
    if str(error).startswith("Could not decode to UTF-8"):  # by Python; without a code
        return damaged("(a text in it is none)", path)
    code = _code(error)
    if code == sqlite3.SQLITE_IOERR and _is_full(path):  # it says so of what maps its log
        code = sqlite3.SQLITE_FULL
    if code in _DAMAGED:
        return damaged(f"({error}){_NO_OUTBOX if code == sqlite3.SQLITE_NOTADB else ''}", path)
    if code in _IN_USE:
        return OutboxInUseError(f"outbox {path}: another program holds it for too long ({error})")
    why = _WHY.get(code)
    return OutboxError(f"outbox {path}: {f'{why} ({error})' if why else error}")


def damaged(why: str, path: Path) -> OutboxDamagedError:
    """The error that says so, and what helps."""
    return OutboxDamagedError(
        f"outbox {path} is damaged {why}; stop what uses it, and save what can be read: "
        f"vaulytica outbox recover --outbox sqlite://{path} --into NEW_FILE"
    )


def _is_full(path: Path) -> bool:
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < _LEAST


@contextmanager
def explaining(
    path: Path,
    tell: Callable[[Exception], object] = lambda _: None,
    look: Callable[[], str | None] = lambda: None,
) -> Iterator[None]:
    """Raise what `explained` makes of errors; and `tell` of it."""
    try:
        yield
    except (sqlite3.Error, *SENSELESS) as error:
        ours = explained(error, path, look)
        if ours is error:
            raise
        tell(ours)
        raise ours from None


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF  # without what it adds in the higher bits
