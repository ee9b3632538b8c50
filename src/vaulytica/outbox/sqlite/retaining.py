"""Retaining: what is delivered is kept for looking back, for so long, and so many bytes of it at most.

These are the bytes of its events; where they are for several destinations, each has its share. What they
come to is counted once, and then kept up to date in memory: there may be millions of deliveries. If
another program has changed the file they are counted anew, but not so often that it would be felt.
"""

from __future__ import annotations

from collections import Counter

from vaulytica.outbox.sqlite.session import Session
from vaulytica.outbox.sqlite.settling import MOVED, remove, share_of
from vaulytica.outbox.sqlite.usage import pragma, used_bytes

_MOST_ROWS = 100  # of one step, for each destination
_COST = 0.005  # of the time that may be spent on counting anew


def purge_delivered(session: Session) -> int:
    """The oldest first: those past their time, and more while they are more bytes than they may be."""
    retention = session.retention
    if retention is None:
        return 0
    now = session.now()
    past = now - round(retention.seconds * 1000)
    over = 0
    if retention.max_bytes is not None and used_bytes(session) > retention.max_bytes:
        over = _retained(session) - retention.max_bytes
    rows = [
        row
        for id, _ in session.execute("destinations").fetchall()
        for row in session.execute(
            "delivered_before", destination=id, before=now if over > 0 else past, most=_MOST_ROWS
        )
    ]
    purged = 0
    gone: Counter[int] = Counter()
    for due, delivery, batch, destination, events in sorted(rows):
        if due > past and over <= 0:
            break
        if session.retained is not None:
            share = share_of(session, batch)
            session.retained -= share
            over -= share
        remove(session, delivery, batch)
        gone[destination] += events
        purged += 1
    for destination, events in gone.items():
        counted = dict.fromkeys(MOVED, 0) | {"gone": events}
        session.execute("count_moved", destination=destination, **counted)
    return purged


def _retained(session: Session) -> int:
    """The bytes of what is kept for looking back."""
    version = pragma(session, "data_version")  # others have changed the file since, if it differs
    began = session.clock.monotonic()
    is_old = version != session.retained_version and began >= session.retained_until
    if session.retained is None or is_old:
        (session.retained,) = session.execute("retained").fetchone()
        took = session.clock.monotonic() - began
        session.retained_version = version
        session.retained_until = began + took / _COST
    return session.retained
