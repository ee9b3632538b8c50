"""Usage: what the file holds, in bytes."""

from __future__ import annotations

from pathlib import Path

from vaulytica.outbox.sqlite.session import Session


def used_bytes(session: Session) -> int:
    """What the file holds, without the pages that are free."""
    pages, free, size = (
        pragma(session, name) for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def log_bytes(path: Path) -> int:
    """How large the write-ahead log beside the file is; it is written into the file in time."""
    try:
        return path.with_name(path.name + "-wal").stat().st_size
    except OSError:
        return 0


def pragma(session: Session, name: str) -> int:
    """What SQLite says of itself."""
    (value,) = session.connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)
