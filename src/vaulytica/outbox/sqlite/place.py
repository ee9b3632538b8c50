"""The place of an outbox's file: whether a relay could make it there, and use it."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from vaulytica.errors import OutboxDamagedError, OutboxError
from vaulytica.outbox.sqlite.lock import lock_of

_LONGEST = 255 - len("-journal")  # bytes of a name, beside which SQLite puts others


def files_of(path: Path) -> tuple[Path, ...]:
    """An outbox's file, and what may be beside it."""
    beside = [path.with_name(f"{path.name}{end}") for end in ("-wal", "-shm", "-journal")]
    return (path, *beside, lock_of(path))


def why_unusable(path: Path) -> str | None:
    """What is wrong, and what to do; None if nothing is. Nothing is written."""
    try:
        if (why := _why_no_folder(path.parent) or _why_no_file(path)) is not None:
            return why
        lost = _why_lost(path)
        return _why_no_lock(lock_of(path)) if lost is None else f"{path} {lost}"
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        return f"{path} cannot be used: {said}"


def refuse_if_nearly_full(path: Path, min_free: int) -> None:
    """Raise `OutboxError` where the file's disk has fewer bytes free."""
    disk = os.statvfs(path)
    free = disk.f_bavail * disk.f_frsize
    if free < min_free:
        raise OutboxError(
            f"outbox {path}: the disk is nearly full ({free // 1024**2} MiB free, and "
            f"{min_free // 1024**2} are left for delivering); make room, and try again"
        )


def refuse_if_lost(path: Path, *, create: bool) -> None:
    """Raise where what was in the outbox is gone; and, unless it may be made, where none is."""
    try:
        why, is_there = _why_lost(path), path.exists()
    except OSError as error:
        raise OutboxError(f"outbox {path}: it cannot be looked at: {error.strerror}") from None
    if why is not None:
        raise OutboxDamagedError(f"outbox {path} {why}")
    if not create and not is_there:
        raise OutboxError(f"outbox {path}: there is no such file")


def _why_lost(path: Path) -> str | None:
    """A file that has become empty, or was taken away: SQLite would make a new one of it, and drop its log."""
    # First, as whoever makes the file writes its log after that.
    logs = [f"{path}{name}" for name in ("-wal", "-journal") if _has_content(f"{path}{name}")]
    is_there = path.exists()
    if not (path.is_file() and not path.stat().st_size if is_there else logs):
        return None
    save = f"vaulytica outbox recover --outbox sqlite://{path.absolute()} --into NEW_FILE"
    if not is_there:
        return (
            f"is not there, but what was written to it last is, in {logs[0]}: put the file back beside "
            f"that, or an empty one and save what can be read: {save}"
        )
    if f"{path}-wal" in logs:
        return f"is empty, but what was written to it last is in {path}-wal: save that: {save}"
    return (
        "is empty, as no outbox ever is: if it was one, what was in it is gone; "
        "put a copy back, or remove it to begin anew (a database of your own needs a table first)"
    )


def _has_content(name: str) -> bool:
    try:
        return Path(name).stat().st_size > 0
    except FileNotFoundError:
        return False


def _why_no_folder(folder: Path) -> str | None:
    if not folder.exists():
        return (
            f"the folder {folder} is not there; make it (mkdir -p), and let the relay write in it"
        )
    if not folder.is_dir():
        return f"{folder} is no folder"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"the folder {folder} cannot be written{_by_whom(folder)}"
    return None


def _why_no_file(path: Path) -> str | None:
    if len(os.fsencode(path.name)) > _LONGEST:
        return f"the file's name is longer than {_LONGEST} bytes"
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(mode):
        return f"{path} is no file; name one in a folder, such as {path / 'outbox.db'}"
    if not os.access(path, os.R_OK | os.W_OK):
        return f"{path} cannot be read and written{_by_whom(path)}"
    if not _is_sqlite(path):
        return (
            f"{path} is there, and is no SQLite file; take another name, or, if it was an outbox: "
            f"vaulytica outbox recover --outbox sqlite://{path.absolute()} --into NEW_FILE"
        )
    return None


def _by_whom(path: Path) -> str:
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return ": its disk is mounted read-only"
    return f" by user {os.geteuid()}, who runs this"


def _is_sqlite(path: Path) -> bool:
    """Whether it is one, or empty (see `_why_lost`).

    SQLite itself looks: were the file opened and closed here otherwise, all locks would end that this
    process has on it, as when its outbox is in use here. Immutable, it locks and writes nothing.
    """
    look = sqlite3.connect(f"file:{quote(str(path))}?immutable=1", uri=True)
    with closing(look):
        try:
            look.execute("PRAGMA schema_version").fetchone()
        except sqlite3.DatabaseError as error:
            return error.sqlite_errorcode != sqlite3.SQLITE_NOTADB
    return True


def _why_no_lock(path: Path) -> str | None:
    if not path.exists():
        return None
    if not path.is_file() or not os.access(path, os.R_OK | os.W_OK):
        return f"{path} cannot be locked by user {os.geteuid()}, who runs this"
    return None
