"""The write-ahead log of an SQLite file, switched on while other processes may do the same."""

from __future__ import annotations

import sqlite3
import time

_LOOK = 0.005  # seconds between two tries


def use_wal(connection: sqlite3.Connection, patience: float) -> str:
    """Switch it on and return the journal mode that the file has now.

    Where two processes switch a new file at once, SQLite tells one of them that it is locked, whatever its
    busy timeout (each would wait for the other); so it is tried again, for `patience` seconds.
    """
    until = time.monotonic() + patience
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(_LOOK)
        else:
            return str(mode)
