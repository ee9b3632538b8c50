"""Opening the file: what SQLite is told of it."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from vaulytica.errors import OutboxError, WebhookConfigError
from vaulytica.wal import use_wal

_BUSY = 10.0  # seconds to wait for another program's transaction
_PAGE = 16384  # batches are large: fewer, larger pages are written and freed faster
_WAL_PAGES = 1024  # 16 MiB, after which what is in the log goes to its place in the file
_CACHE = 16 * 1024  # KiB; what was put lately is claimed, and freed, without being read again


def path_of(url: str) -> Path:
    """The file that a URL such as `sqlite:///var/lib/vaulytica/outbox.db` names."""
    path = Path(url.removeprefix("sqlite://"))
    if not path.is_absolute() or not path.name:
        raise WebhookConfigError(
            f"outbox: {url} names no file; write its whole path, like sqlite:///var/lib/vaulytica/outbox.db"
        )
    return path


def connect(path: Path, *, create: bool) -> sqlite3.Connection:
    """A connection that begins no transaction by itself. A new file is for this user only."""
    if not path.exists():
        if not create:
            raise OutboxError(f"outbox {path}: there is no such file")
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise OutboxError(f"outbox {path}: cannot make it: {error.strerror}") from None
    connection = sqlite3.connect(
        path, timeout=_BUSY, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    try:
        connection.execute(f"PRAGMA page_size = {_PAGE}")  # of a new file only, as is auto_vacuum
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        mode = use_wal(connection, _BUSY)
        if mode != "wal":
            raise OutboxError(f"outbox {path}: SQLite cannot use a write-ahead log there ({mode})")
        # To overwrite what is deleted would double what is written.
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute(f"PRAGMA cache_size = -{_CACHE}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {4 * _WAL_PAGES * _PAGE}")
    except BaseException:
        connection.close()
        raise
    return connection


def is_of_file(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether a caller's own connection is to this file."""
    for _, name, file in connection.execute("PRAGMA database_list"):
        if name == "main":
            return bool(file) and path.samefile(file)
    return False
