"""Filling: rows of a damaged file put into a new one, made to fit each other, and counted anew."""

from __future__ import annotations

import re
import sqlite3
import time
from typing import Any

import msgspec
from msgspec.structs import asdict

from vaulytica.outbox.delivery import Counts, Tried, bounded
from vaulytica.outbox.sqlite.checksum import checksum
from vaulytica.outbox.sqlite.claiming import read_tried, tried_of
from vaulytica.outbox.sqlite.counting import counts
from vaulytica.outbox.sqlite.putting import add_batch, add_delivery
from vaulytica.outbox.sqlite.recover.bodies import mended
from vaulytica.outbox.sqlite.recover.rows import (
    BatchRow,
    ClockRow,
    DeliveryRow,
    DestinationRow,
    KeyRow,
    Row,
    SequenceRow,
)
from vaulytica.outbox.sqlite.session import Session
from vaulytica.outbox.states import PENDING, State

_ORPHAN = "recovered without its delivery: it may have been delivered before"
_STALE = "recovered from a page that may not have been in use: it may have been delivered before"
_ALTERED = "recovered from where the disk was damaged: it may have been altered"
_YEAR = 366 * 86_400_000  # milliseconds; nothing is due later than in a year, if it is not damaged
_BOUND = re.compile(r"\d{1,9}( \d{1,9})*", re.ASCII)


class Altered(msgspec.Struct, frozen=True):
    """Events of a batch that may not be as they were put."""

    batch: int
    refs: int
    bound: str
    kept: int
    lines: list[bytes]


class Filling:
    """Rows are added, those that are certain first: of one number the first counts. Then `finish`.

    After that, by destination: `lost` events; `doubtful` ones, which are dead letters now; and those
    `uncounted`, whose counters are lost.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._now = session.now()
        self._latest = round(time.time() * 1000) + _YEAR
        self._highest = 0
        self.damaged_batches = 0
        self._proven: set[int] = set()  # destinations whose counters are as they were written
        self._expected: dict[
            int, int
        ] = {}  # by destination: events that should be there, by the rows
        self._altered: list[Altered] = []
        self._dubious: dict[
            int, bool
        ] = {}  # deliveries; and whether they may be more than expected
        self.lost: dict[str, int] = {}
        self.doubtful: dict[str, int] = {}
        self.uncounted: list[str] = []

    def add(self, row: Row, *, is_certain: bool) -> None:
        """Put it into the file, if nothing is there in its place."""
        if isinstance(row, BatchRow):
            self._add_batch(row)
        elif isinstance(row, DeliveryRow):
            self._add_delivery(row, is_certain=is_certain)
        elif isinstance(row, DestinationRow):
            added = self._execute("recover_destination", **asdict(row))
            if added.rowcount and _is_proven(row):
                self._proven.add(row.id)
        elif isinstance(row, ClockRow):
            if row.seen < self._latest:
                self._execute("recover_clock", seen=row.seen)
        elif isinstance(row, SequenceRow):
            self._highest = max(self._highest, row.highest)
        else:
            name = "recover_key" if isinstance(row, KeyRow) else "recover_mark"
            self._execute(name, **asdict(row))

    def _execute(self, statement: str, /, **values: Any) -> sqlite3.Cursor:
        return self._session.execute(statement, **values)

    def _add_batch(self, row: BatchRow) -> None:
        made = mended(row.body, row.crc)
        self.damaged_batches += len(made.good) < row.events
        bound = row.bound if _BOUND.fullmatch(row.bound) else ""
        kept = min(row.kept, self._now)
        if made.doubtful:
            self._altered.append(Altered(row.id, row.refs, bound, kept, made.doubtful))
        if made.good:
            body = b"".join(made.good)
            values = {"kept": kept, "events": len(made.good), "refs": row.refs, "bound": bound}
            self._execute("recover_batch", id=row.id, body=body, crc=checksum(body), **values)

    def _add_delivery(self, row: DeliveryRow, *, is_certain: bool) -> None:
        values = asdict(row)
        if row.state is State.CLAIMED:
            values["state"] = State.DEFERRED
        values["due"] = row.due if row.due < self._latest else self._now
        values["kept"] = min(row.kept, self._now)
        if row.tried is not None and read_tried(row.tried) is None:
            values["tried"] = msgspec.json.encode(tried_of(row.tried))  # that they cannot be read
        if not self._execute("recover_delivery", **values).rowcount:
            return
        if is_certain and row.state is not State.DELIVERED:
            self._expected[row.destination] = self._expected.get(row.destination, 0) + row.events
        elif row.state in PENDING:
            tried = msgspec.json.encode(bounded((*tried_of(row.tried), self._tried(_STALE))))
            self._execute("bury", id=row.id, now=self._now, tried=tried)
            self._dubious[row.id] = True

    def _tried(self, why: str) -> Tried:
        return Tried(self._now / 1000, why, "recovered")

    # --- The end.

    def finish(self) -> dict[str, Counts]:
        """Make all fit each other; the counts."""
        self._execute("forget_sequence")
        self._execute("recover_sequence", highest=self._highest)
        takers = [self._takers(altered) for altered in self._altered]
        self._execute("drop_without_batch")  # before new ones may get the numbers of those lost
        for altered, (here, orphaned) in zip(self._altered, takers, strict=True):
            self._keep_doubtful(altered, here, orphaned)
        self._execute("recount_events")
        for id, refs, bound, kept, events in self._execute("short_of_deliveries").fetchall():
            for destination in self._orphaned(id, refs, bound):
                self._add_dead(destination, id, events, kept, _ORPHAN)
        for name in ("name_unknown", "drop_unreachable", "recount_refs", "free_all_held"):
            self._execute(name)
        self._recount()
        return counts(self._session)

    def _takers(self, altered: Altered) -> tuple[list[int], set[int]]:
        """Who waits for events of a batch, and who may have."""
        rows = self._execute("deliveries_of_batch", batch=altered.batch).fetchall()
        here = [destination for destination, state in rows if state != State.DELIVERED]
        return here, self._orphaned(altered.batch, altered.refs, altered.bound)

    def _keep_doubtful(self, altered: Altered, here: list[int], orphaned: set[int]) -> None:
        """Dead letters of their own, for whoever the batch was for."""
        if not here and not orphaned:
            return
        body, events = b"".join(altered.lines), len(altered.lines)
        batch = add_batch(self._session, body, events, [*here, *orphaned], altered.kept)
        for destination in here:
            self._add_dead(destination, batch, events, altered.kept, _ALTERED)
        for destination in orphaned:
            self._add_dead(destination, batch, events, altered.kept, _ORPHAN)

    def _orphaned(self, batch: int, refs: int, bound: str) -> set[int]:
        """The destinations of a batch whose deliveries may be lost."""
        rows = self._execute("deliveries_of_batch", batch=batch).fetchall()
        if refs <= len(rows):
            return set()
        return {int(id) for id in bound.split()} - {destination for destination, _ in rows}

    def _add_dead(self, destination: int, batch: int, events: int, kept: int, why: str) -> None:
        id = add_delivery(
            self._session,
            key=None,
            destination=destination,
            batch=batch,
            events=events,
            severity=0,
            state=State.DEAD,
            kept=kept,
            due=self._now,
            tried=msgspec.json.encode([self._tried(why)]),
        )
        self._dubious[id] = why is _ORPHAN

    def _recount(self) -> None:
        """Counters that fit what is here; and what is missing of what the old ones said, or the rows."""
        more = self._weigh_doubtful()
        here: dict[str, dict[str, int]] = {}
        for name, state, events in self._execute("sums"):
            here.setdefault(name, {})[state] = events
        for id, name, accepted, delivered, _, replayed, dropped, purged in self._execute(
            "counts"
        ).fetchall():
            found = here.get(name, {})
            kept, dead = found.get(State.DELIVERED, 0), found.get(State.DEAD, 0)
            left = dead + sum(found.get(state, 0) for state in PENDING)
            expected = accepted - delivered - dropped - purged
            if id not in self._proven:
                self.uncounted.append(name)
                expected = self._expected.get(id, 0)
                delivered, replayed, dropped, purged = kept, 0, 0, 0
            if (missing := expected - left + more.get(name, 0)) > 0:
                self.lost[name] = missing
            delivered = max(delivered, kept)
            self._execute(
                "set_counters",
                id=id,
                accepted=delivered + left + dropped + purged,
                delivered=delivered,
                buried=dead + replayed + purged,
                replayed=replayed,
                dropped=dropped,
                purged=purged,
                gone=delivered - kept,
            )

    def _weigh_doubtful(self) -> dict[str, int]:
        """Count the doubtful; and those of them that may be more than the old counters had."""
        more: dict[str, int] = {}
        names = dict(self._execute("destinations").fetchall())
        for id, is_more in self._dubious.items():
            found = self._execute("row", id=id).fetchone()
            if found is not None:
                name, events = names[found[0]], found[2]
                self.doubtful[name] = self.doubtful.get(name, 0) + events
                more[name] = more.get(name, 0) + events * is_more
        return more


def _is_proven(row: DestinationRow) -> bool:
    """Whether the counters are as they were written, as far as that can be told."""
    dead = row.buried - row.replayed - row.purged
    if row.proof is None:  # of version 1
        left = row.accepted - row.delivered - row.dropped - row.purged
        return 0 <= dead <= left
    numbers = (row.accepted, row.delivered, row.buried, row.replayed, row.dropped, row.purged)
    weighed: int = sum(one << 3 * n for n, one in enumerate((*numbers, row.gone)))
    return row.proof == weighed
