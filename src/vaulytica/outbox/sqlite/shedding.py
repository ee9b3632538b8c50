"""Shedding: pending events are dropped, until what is left fits: the least severe first, of these the oldest.

Of a delivery that is claimed the last ones go, as far as its worker says that none of them is on its way;
one at least stays, so that the claim is still one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import msgspec

from vaulytica.events import Severity
from vaulytica.outbox.sqlite.checksum import is_as_it_was_put
from vaulytica.outbox.sqlite.putting import add_batch
from vaulytica.outbox.sqlite.session import Session
from vaulytica.outbox.sqlite.settling import MOVED, Row, free_next, release, remove
from vaulytica.outbox.sqlite.usage import used_bytes
from vaulytica.outbox.states import State

_FEWEST, _MOST = 256, 10_000  # deliveries looked for in one go


class _Of(msgspec.Struct):
    """What matters of a line."""

    severity: str = Severity.INFO


_decode_lines = msgspec.json.Decoder(_Of).decode_lines
_LEVELS = {str(severity): severity.level for severity in Severity}


def shed(
    session: Session, events: int | None, size: int | None, begun: Mapping[int, int]
) -> dict[str, int]:
    """Drop what is more than so many pending events, or bytes in use; how many of each destination."""
    (pending,) = session.execute("pending").fetchone()
    dropped: Counter[int] = Counter()

    def too_many(row: Row) -> int:
        over = 0 if events is None else pending - dropped.total() - events
        return over if size is None else max(over, _of_bytes(session, row, size))

    for row, state in _least(session, _FEWEST if events is None else pending - events):
        count = too_many(row)
        stay = max(1, begun.get(row.id, row.events)) if state is State.CLAIMED else 0
        while count > 0 and row.events > stay:
            gone = _drop(session, row, state, min(count, row.events - stay))
            if not gone:
                break
            dropped[row.destination] += gone
            count = too_many(row)
        if count <= 0:
            break
    names = dict(session.execute("destinations").fetchall())
    for destination, count in dropped.items():
        counted = dict.fromkeys(MOVED, 0) | {"dropped": count}
        session.execute("count_moved", destination=destination, **counted)
    return {names[id]: count for id, count in dropped.items()}


def _least(session: Session, wanted: int) -> Iterator[tuple[Row, State]]:
    """The pending ones in the order in which they go."""
    most = min(max(wanted, _FEWEST), _MOST)
    severity, last = -1, 0
    while rows := session.execute("least", severity=severity, id=last, most=most).fetchall():
        for state, *values in rows:
            row = Row(*values)
            severity, last = row.severity, row.id
            yield row, State(state)


def _of_bytes(session: Session, row: Row, size: int) -> int:
    """Events of the delivery to drop for the bytes that are too many; all, where others have them too."""
    over = used_bytes(session) - size
    if over <= 0 or not row.events:
        return max(0, over)
    refs, length = session.execute("batch_size", batch=row.batch).fetchone()
    return row.events if refs > 1 else -(-over * row.events // max(1, length))


def _drop(session: Session, row: Row, state: State, count: int) -> int:
    """So many events of the delivery; how many there were. `row` is what is left.

    One that is damaged goes as a whole; none of it if it is claimed.
    """
    body, crc = session.execute("body", batch=row.batch).fetchone()
    is_whole = is_as_it_was_put(body, crc)
    if state is State.CLAIMED and not is_whole:
        return 0
    if count < row.events and is_whole:
        lines = body.split(b"\n")
        places = range(row.events - count)
        kept = places if state is State.CLAIMED else _severest(body, row.events - count)
        text = b"".join([lines[place] + b"\n" for place in kept])
        batch = add_batch(session, text, len(kept), [row.destination], row.kept)
        session.execute("rebody", id=row.id, batch=batch, events=len(kept))
        release(session, row.batch)
        row.batch, row.events = batch, len(kept)
        return count
    gone, row.events = row.events, 0
    remove(session, row.id, row.batch)
    if row.key is not None:
        free_next(session, row.destination, row.key)
        (name,) = session.execute("name", destination=row.destination).fetchone()
        session.puts.add(name)
    return gone


def _severest(body: bytes, count: int) -> list[int]:
    """The places of so many events to keep: the most severe, of these the last."""
    levels = [_LEVELS.get(line.severity, 0) for line in _decode_lines(body)]
    places = sorted(range(len(levels)), key=lambda place: (levels[place], place))
    return sorted(places[-count:])
