"""Closing up: batches that are smaller than a page share one, which is in use until the last of them is gone.

What goes by severity leaves others everywhere between, so that hardly a page would become free. These are
moved to the end, where they stand close; a batch's number means nothing to anybody but its deliveries.
"""

from __future__ import annotations

from collections.abc import Sequence

from vaulytica.outbox.sqlite.session import Session

_SMALL = 4096  # bytes; of a larger one most stands on pages of its own
_FEW = 8  # batches that are worth moving for one that is gone


def close_up(session: Session, gone: Sequence[int]) -> None:
    """Move what is left between these batches, as far as it is little."""
    ids = sorted(gone)
    begin = ids[0]
    for before, id in zip(ids, [*ids[1:], None], strict=True):
        if id is not None and _is_little_between(session, before, id):
            continue
        if begin < before:
            _move(session, begin, before)
        if id is not None:
            begin = id


def _is_little_between(session: Session, low: int, high: int) -> bool:
    values = {"low": low, "high": high, "small": _SMALL}
    return len(session.execute("small_batches", most=_FEW + 1, **values).fetchall()) <= _FEW


def _move(session: Session, low: int, high: int) -> None:
    (last,) = session.execute("last_batch").fetchone()
    if last is None:
        return
    values = {"low": low, "high": high, "small": _SMALL}
    small = session.execute("small_batches", most=-1, **values).fetchall()
    # One by one: were the gaps between them kept, the numbers would soon be too large for SQLite.
    for to, (batch,) in enumerate(small, last + 1):
        session.execute("move_batch", batch=batch, to=to)
        session.execute("follow_batch", batch=batch, to=to)
