"""The schema's versions: a file of SQL for each step, and a table that says which have been made."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from vaulytica.errors import OutboxError
from vaulytica.outbox.sqlite.lock import OwnerLock

_LOCK_WAIT = 30.0  # seconds, for another program that is migrating


def migrations() -> list[tuple[int, str]]:
    """The steps in order: the version each leads to, and its SQL."""
    folder = files("vaulytica.outbox.sqlite").joinpath("migrations")
    steps = [
        (int(f.name[:4]), f.read_text("utf-8")) for f in folder.iterdir() if f.name.endswith(".sql")
    ]
    return sorted(steps)


def version_of(connection: sqlite3.Connection) -> int:
    """0 if there is no outbox in the file."""
    found = connection.execute(
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'outbox_schema'"
    ).fetchone()
    if found is None:
        return 0
    (version,) = connection.execute("SELECT max(version) FROM outbox_schema").fetchone()
    return int(version or 0)


def migrate(
    connection: sqlite3.Connection, path: Path, now: Callable[[], int], *, owner: OwnerLock | None
) -> None:
    """Bring the file to this program's version: each step whole or not at all, by one program at a time.

    Where a relay runs on the file, it would not know the new version: that is refused.
    """
    steps = migrations()
    newest = steps[-1][0]
    found = version_of(connection)
    if found > newest:
        raise OutboxError(
            f"outbox {path} is of schema {found}, and this program knows {newest} at most; "
            "use the newer vaulytica that wrote it"
        )
    if found == newest:
        return
    lock = OwnerLock(path, wait=_LOCK_WAIT) if owner is None else None
    try:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS outbox_schema (version INTEGER PRIMARY KEY, since INTEGER NOT NULL)"
        )
        for version, sql in steps:
            _step(connection, version, sql, now())
    finally:
        if lock is not None:
            lock.release()


def _step(connection: sqlite3.Connection, version: int, sql: str, now: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        if version_of(connection) < version:
            for statement in _statements(sql):
                connection.execute(statement)
            connection.execute("INSERT INTO outbox_schema VALUES (?, ?)", (version, now))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _statements(sql: str) -> list[str]:
    """`executescript` would commit before it begins."""
    statements, text = [], ""
    for piece in sql.split(";")[:-1]:
        text += f"{piece};"
        if sqlite3.complete_statement(text):
            statements.append(text)
            text = ""
    return statements
