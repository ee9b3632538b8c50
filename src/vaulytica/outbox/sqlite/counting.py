"""Counting: from the counters, so it costs the same however much there is; and tidying up."""

from __future__ import annotations

from vaulytica.outbox.delivery import Counts
from vaulytica.outbox.sqlite.retaining import purge_delivered
from vaulytica.outbox.sqlite.session import Session
from vaulytica.outbox.sqlite.usage import pragma

_MOST_KEYS, _MOST_PAGES = 1000, 512  # of one step of tidying
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
        passed = session.unreadable.of(name)
        rows = session.execute("next_due", destination=id, most=len(passed) + 1)
        first = min((at for at, delivery in rows if delivery not in passed), default=None)
        if first is None:
            continue
        if session.execute("is_paused", destination=id).fetchone() is None:
            found[name] = max(0, first - now) / 1000
    return found


def tidy(session: Session) -> int:
    """Throw away a bounded part of what is past its time, and shrink the file by a bounded part."""
    done = session.execute("forget_keys", now=session.now(), most=_MOST_KEYS).rowcount
    done += purge_delivered(session)
    return done + _shrink(session)


def _shrink(session: Session) -> int:
    """Give pages that are free back to the disk, if they are many; how many."""
    spare = max(_SPARE_PAGES, pragma(session, "page_count") // 4)
    free = pragma(session, "freelist_count") if pragma(session, "auto_vacuum") else 0
    pages = min(_MOST_PAGES, free - spare)
    for _ in range(pages):
        # A larger number would not do more: Python's sqlite3 makes only its first step.
        session.connection.execute("PRAGMA incremental_vacuum(1)")
    return max(0, pages)
