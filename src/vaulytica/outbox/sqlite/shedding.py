"""Shedding: pending events are dropped, until what is left fits: the least severe first, of these the oldest.

Of a delivery that is claimed the last ones go, as far as its worker says that none of them is on its way;
one at least stays, so that the claim is still one. A call drops from so many deliveries at most, as nobody
else can write meanwhile. The index by severity is made when it is first wanted: keeping it costs
deliveries of single events a fifth of their speed, and most outboxes never drop anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import msgspec

from vaulytica.events import Severity
from vaulytica.outbox.sqlite.checksum import is_as_it_was_put
from vaulytica.outbox.sqlite.closing import close_up
from vaulytica.outbox.sqlite.putting import add_batch
from vaulytica.outbox.sqlite.session import Session
from vaulytica.outbox.sqlite.settling import MOVED, Row, free_next, release, remove
from vaulytica.outbox.sqlite.usage import used_bytes
from vaulytica.outbox.states import State

MOST = 1000  # deliveries from which one call drops
_PAGE = 256  # deliveries looked for in one go


class _Of(msgspec.Struct):
    """What matters of a line."""

    severity: str = Severity.INFO


_decode_lines = msgspec.json.Decoder(_Of).decode_lines
_LEVELS = {str(severity): severity.level for severity in Severity}


def shed(
    session: Session, events: int | None, size: int | None, begun: Mapping[int, int]
) -> dict[str, int]:
    """Drop what is more than so many pending events, or bytes in use; how many of each destination."""
    shedding = _Shedding(session, begun)
    if events is not None:
        (pending,) = session.execute("pending").fetchone()
        shedding.to_events(pending - events)
    if size is not None:
        shedding.to_size(size)
    if not shedding.dropped:
        return {}
    names = dict(session.execute("destinations").fetchall())
    for destination, count in shedding.dropped.items():
        counted = dict.fromkeys(MOVED, 0) | {"dropped": count}
        session.execute("count_moved", destination=destination, **counted)
    return {names[id]: count for id, count in shedding.dropped.items()}


class _Shedding:
    """One call. `dropped`: events of each destination, by its number."""

    def __init__(self, session: Session, begun: Mapping[int, int]) -> None:
        self._session, self._begun = session, begun
        self._left = MOST
        self.dropped: Counter[int] = Counter()

    def to_events(self, over: int) -> None:
        """Drop so many."""
        if over > 0:
            for row, state, most in self._least():
                over -= self._drop(row, state, min(over, most))
                if over <= 0:
                    return

    def to_size(self, size: int) -> None:
        """Drop until no more bytes are in use. Small batches share pages: these become free by closing up."""
        while self._left and (over := used_bytes(self._session) - size) > 0:
            gone: list[int] = []
            for row, state, most in self._least():
                refs, length = self._session.execute("batch_size", batch=row.batch).fetchone()
                batch, events = row.batch, row.events
                if refs > 1 and not self._is_all_waiting(batch, refs):
                    continue  # it would free nothing
                # All, where others have them, too: only the last of these frees anything.
                count = events if refs > 1 else -(-over * events // max(1, length))
                done = self._drop(row, state, min(count, most))
                if done and refs == 1:
                    gone.append(batch)
                    over -= length * done // events
                if over <= 0:
                    break
            if not gone:
                return
            close_up(self._session, gone)

    def _is_all_waiting(self, batch: int, refs: int) -> bool:
        """Whether nobody has it that would go on having it."""
        (count,) = self._session.execute("waiting", batch=batch).fetchone()
        return bool(count == refs)

    def _least(self) -> Iterator[tuple[Row, State, int]]:
        """The pending ones in the order in which they go, and how many events of each may."""
        self._session.execute("index_least")
        severity, last = -1, 0
        while rows := self._session.execute(
            "least", severity=severity, id=last, most=_PAGE
        ).fetchall():
            for state, *values in rows:
                row = Row(*values)
                severity, last = row.severity, row.id
                is_claimed = state == State.CLAIMED
                stay = max(1, self._begun.get(row.id, row.events)) if is_claimed else 0
                if row.events > stay:
                    yield row, State(state), row.events - stay
                if not self._left:
                    return

    def _drop(self, row: Row, state: State, count: int) -> int:
        done = _drop(self._session, row, state, count)
        self._left -= done > 0
        if done:
            self.dropped[row.destination] += done
        return done


def _drop(session: Session, row: Row, state: State, count: int) -> int:
    """So many events of the delivery; how many there were.

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
        return count
    remove(session, row.id, row.batch)
    if row.key is not None:
        free_next(session, row.destination, row.key)
        (name,) = session.execute("name", destination=row.destination).fetchone()
        session.puts.add(name)
    return row.events


def _severest(body: bytes, count: int) -> list[int]:
    """The places of so many events to keep: the most severe, of these the last."""
    levels = [_LEVELS.get(line.severity, 0) for line in _decode_lines(body)]
    places = sorted(range(len(levels)), key=lambda place: (levels[place], place))
    return sorted(places[-count:])
