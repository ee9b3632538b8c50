"""Opening the file: what SQLite is told of it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from vaulytica.errors import OutboxError, WebhookConfigError
from vaulytica.outbox.sqlite.making import PAGE, make
from vaulytica.outbox.sqlite.place import refuse_if_lost
from vaulytica.outbox.sqlite.schema import version_of
from vaulytica.outbox.urls import written_right
from vaulytica.wal import use_wal

_BUSY = 10.0  # seconds to wait for another program's transaction
_WAL_PAGES = 1024  # 16 MiB, after which what is in the log goes to its place in the file
_CACHE = 16 * 1024  # KiB; what was put lately is claimed, and freed, without being read again


def path_of(url: str) -> Path:
    """The file that a URL such as `sqlite:///var/lib/vaulytica/outbox.db` names."""
    name = url.removeprefix("sqlite://")
    path = Path(name)
    if name.startswith("//"):
        raise WebhookConfigError(f"outbox: {url} has a slash too many; write {written_right(url)}")
    if not path.is_absolute() or not path.name:
        raise WebhookConfigError(
            f"outbox: {url} names no file; write its whole path, like {written_right(url)}"
        )
    return path


def connect(path: Path, *, create: bool, look_only: bool = False) -> sqlite3.Connection:
    """A connection that begins no transaction by itself. Without `create`, an outbox must be in the file.

    `look_only`: the file may be where nothing can be written.
    """
    if path.is_dir():
        raise OutboxError(f"outbox {path}: it is a folder; name the file in it")
    refuse_if_lost(path, create=create)
    if not path.exists():
        try:
            make(path)
        except OSError as error:
            raise OutboxError(f"outbox {path}: cannot make it: {error.strerror}") from None
    is_frozen = look_only and _is_frozen(path)
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?{'immutable=1' if is_frozen else 'mode=rw'}",
        uri=True,
        timeout=_BUSY,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    try:
        if not create and not version_of(connection):
            raise OutboxError(f"outbox {path}: there is no outbox in this file; was another meant?")
        if is_frozen:
            return connection
        mode = use_wal(connection, _BUSY)
        if mode != "wal":
            raise OutboxError(f"outbox {path}: SQLite cannot use a write-ahead log there ({mode})")
        # To overwrite what is deleted would double what is written.
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute(f"PRAGMA cache_size = -{_CACHE}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {4 * _WAL_PAGES * PAGE}")
    except BaseException:
        connection.close()
        raise
    return connection


def _is_frozen(path: Path) -> bool:
    """Whether SQLite can write nothing beside the file, and need not, as nothing is in its log."""
    if os.access(path.parent, os.W_OK) or not os.access(path, os.R_OK):
        return False
    log = path.with_name(path.name + "-wal")
    if not log.exists() or not log.stat().st_size:
        return True
    raise OutboxError(
        f"outbox {path}: its folder is read-only for this user, and what was written last stands in its "
        f"log; make a copy elsewhere: vaulytica outbox recover --outbox sqlite://{path} --into FILE"
    )


@contextmanager
def plain_rows(connection: sqlite3.Connection) -> Iterator[None]:
    """Have a caller's own connection give tuples and texts, whatever it gives its owner."""
    shape, texts = connection.row_factory, connection.text_factory
    connection.row_factory, connection.text_factory = None, str
    try:
        yield
    finally:
        connection.row_factory, connection.text_factory = shape, texts


def is_of_file(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether a caller's own connection is to this file."""
    for _, name, file in connection.execute("PRAGMA database_list"):
        if name == "main":
            return bool(file) and path.samefile(file)
    return False


def is_autocommit(connection: sqlite3.Connection) -> bool:
    """Whether a caller's own connection begins no transactions by itself."""
    # `autocommit` is new in Python 3.12; its default, and older ones, go by the isolation level.
    return getattr(connection, "autocommit", -1) is True or connection.isolation_level is None
