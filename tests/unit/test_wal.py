"""Switching an SQLite file to its write-ahead log while others are at it."""

import contextlib
import sqlite3
import threading
from pathlib import Path

import pytest

from vaulytica.wal import use_wal

FILES, THREADS = 40, 4


def connect(path: Path, timeout: float = 0.0) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)


def test_it_is_tried_again_until_the_other_is_done(tmp_path: Path) -> None:
    path = tmp_path / "file.db"
    with contextlib.closing(connect(path)) as other, contextlib.closing(connect(path)) as ours:
        other.execute("BEGIN EXCLUSIVE")
        other.execute("CREATE TABLE there (it INTEGER)")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            use_wal(ours, 0.0)
        timer = threading.Timer(0.1, other.execute, ["COMMIT"])
        timer.start()
        assert use_wal(ours, 60.0) == "wal"
        timer.join()


def test_what_is_no_lock_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "file.db"
    path.write_bytes(b"no database, by its first bytes " * 64)
    with contextlib.closing(connect(path)) as ours, pytest.raises(sqlite3.DatabaseError):
        use_wal(ours, 60.0)


def test_many_that_open_a_new_file_at_once_all_may(tmp_path: Path) -> None:
    """Without the tries, one in some ten of these files was told `database is locked`."""
    start, modes = threading.Barrier(THREADS, timeout=60), []

    def opened() -> None:
        for n in range(FILES):
            with contextlib.closing(connect(tmp_path / f"{n}.db", timeout=10.0)) as connection:
                start.wait()
                modes.append(use_wal(connection, 60.0))
                connection.execute("CREATE TABLE IF NOT EXISTS there (it INTEGER)")

    threads = [threading.Thread(target=opened) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert modes == ["wal"] * FILES * THREADS
