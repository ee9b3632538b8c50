"""Counting: from the counters, so it costs the same however much there is; and tidying up."""

from __future__ import annotations

from vaulytica.outbox.delivery import Counts, Retention
from vaulytica.outbox.sqlite.session import Session
from vaulytica.outbox.sqlite.settling import MOVED, remove

_MOST_ROWS, _MOST_KEYS, _MOST_PAGES = 100, 1000, 512  # of one step of tidying
_SPARE_PAGES = 256  # that the file may have free


def counts(session: Session) -> dict[str, Counts]:
    """For each destination, since the beginning."""
    now = session.now()
    found: dict[str, Counts] = {}
    for id, name, *counters in session.execute("counts").fetchall():
        accepted, delivered, buried, replayed, dropped, purged = counters
        (oldest,) = session.execute("oldest", destination=id).fetchone()
        found[name] = Counts(
            accepted=accepted,
            delivered=delivered,
            dead=buried - replayed - purged,
            pending=accepted - delivered - buried + replayed - dropped,
            dropped=dropped,
            purged=purged,
            replayed=replayed,
            oldest=None if oldest is None else max(0, now - oldest) / 1000,
        )
    return found


def due(session: Session, destination: str | None) -> dict[str, float]:
    """For each destination, or that one, that something waits for: seconds until the first of it may be claimed."""
    now = session.now()
    found: dict[str, float] = {}
    if destination is None:
        every = session.execute("destinations").fetchall()
    else:
        every = [(session.known_destination(destination), destination)]
    for id, name in every:
        (first,) = session.execute("next_due", destination=id).fetchone()
        if first is not None:
            found[name] = max(0, first - now) / 1000
    return found


def used_bytes(session: Session) -> int:
    """What the file holds, without the pages that are free."""
    pages, free, size = (
        _pragma(session, name) for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def tidy(session: Session) -> int:
    """Throw away a bounded part of what is past its time, and shrink the file by a bounded part."""
    done = session.execute("forget_keys", now=session.now(), most=_MOST_KEYS).rowcount
    done += _purge_delivered(session)
    return done + _shrink(session)


def _shrink(session: Session) -> int:
    """Give pages that are free back to the disk, if they are many; how many."""
    spare = max(_SPARE_PAGES, _pragma(session, "page_count") // 4)
    free = _pragma(session, "freelist_count") if _pragma(session, "auto_vacuum") else 0
    pages = min(_MOST_PAGES, free - spare)
    for _ in range(pages):
        # A larger number would not do more: Python's sqlite3 makes only its first step.
        session.connection.execute("PRAGMA incremental_vacuum(1)")
    return max(0, pages)


def _purge_delivered(session: Session) -> int:
    """The oldest first: those past their time, and more while the file is larger than it may be."""
    retention = session.retention
    if retention is None:
        return 0
    now = session.now()
    over = _is_over(session, retention)
    before = now if over else now - round(retention.seconds * 1000)
    rows = [
        row
        for id, _ in session.execute("destinations").fetchall()
        for row in session.execute(
            "delivered_before", destination=id, before=before, most=_MOST_ROWS
        )
    ]
    purged = 0
    gone: dict[int, int] = {}
    for due, delivery, batch, destination, events in sorted(rows):
        if over and now - due < retention.seconds * 1000 and not _is_over(session, retention):
            break
        remove(session, delivery, batch)
        gone[destination] = gone.get(destination, 0) + events
        purged += 1
    for destination, events in gone.items():
        counted = dict.fromkeys(MOVED, 0) | {"gone": events}
        session.execute("count_moved", destination=destination, **counted)
    return purged


def _is_over(session: Session, retention: Retention) -> bool:
    return retention.max_bytes is not None and used_bytes(session) > retention.max_bytes


def _pragma(session: Session, name: str) -> int:
    (value,) = session.connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)
