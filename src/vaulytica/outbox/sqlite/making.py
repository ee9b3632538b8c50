"""A new file: made beside its place, whole and on disk, before it gets its name. So no outbox is ever empty."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

PAGE = 16384  # bytes: batches are large, and fewer, larger pages are written and freed faster
_NO_LINKS = (errno.EPERM, errno.ENOTSUP)  # what a file system without them says


def make(path: Path) -> None:
    """A database with nothing in it, for this user only; where another program was faster, its file stays.

    Who is killed meanwhile leaves nothing in its place; beside it, at most a file `.vaulytica-…`.
    """
    place = path.resolve()  # where a symbolic link leads
    handle, name = tempfile.mkstemp(prefix=".vaulytica-", dir=place.parent)
    made = Path(name)
    try:
        _write(made, handle)
        _give_name(made, place)
    finally:
        made.unlink(missing_ok=True)
    _sync_folder(place.parent)


def _write(made: Path, handle: int) -> None:
    """All of it, on disk; and `handle` is closed.

    It is before the file has its name: to close any descriptor of a file ends all locks of this process
    on it, also those of a thread that has just opened the outbox.
    """
    try:
        with closing(sqlite3.connect(made, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = OFF")  # nobody else has the file
            connection.execute(f"PRAGMA page_size = {PAGE}")
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("VACUUM")  # writes the first page
        os.fsync(handle)
    finally:
        os.close(handle)


def _give_name(made: Path, place: Path) -> None:
    try:
        os.link(made, place)  # unlike a renaming, it takes nobody's place
    except FileExistsError:
        pass
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with _opened(place.parent) as folder:
            fcntl.flock(folder, fcntl.LOCK_EX)  # so that it takes nobody's place either
            if not place.exists():
                made.rename(place)


def _sync_folder(path: Path) -> None:
    with _opened(path) as folder:
        os.fsync(folder)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield folder
    finally:
        os.close(folder)
