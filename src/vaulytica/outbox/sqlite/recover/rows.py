"""Rows by their shape: which table of an outbox a record is of, whatever became of the schema around it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from vaulytica.outbox.sqlite.recover.pages import Pages
from vaulytica.outbox.sqlite.recover.records import Record, below, read
from vaulytica.outbox.states import State

_OURS = "outbox_"
_SEQUENCE = "sqlite_sequence"
_BATCH_1 = 6  # columns of a batch of version 1, which has no checksum
_SCHEMA_COLUMNS = 5  # type, name, table, root, sql


Number = Annotated[int, Meta(ge=0, le=2**48)]  # more than any id, time or counter comes to


class DestinationRow(msgspec.Struct, frozen=True, array_like=True):
    """`proof`, and what comes with it: not in what version 1 wrote."""

    id: Number
    name: Annotated[str, Meta(min_length=1)]
    accepted: Number
    delivered: Number
    buried: Number
    replayed: Number
    dropped: Number
    purged: Number
    gone: Number = 0
    proof: int | None = None
    pause: str | None = None


class BatchRow(msgspec.Struct, frozen=True, array_like=True):
    """See the schema."""

    id: Number
    kept: Number
    events: Number
    refs: Number
    bound: str
    crc: bytes | None
    body: bytes


class DeliveryRow(msgspec.Struct, frozen=True, array_like=True):
    """See the schema."""

    id: Number
    destination: Number
    batch: Number
    events: Number
    severity: Number
    state: State
    kept: Number
    due: Number
    attempts: Number
    charged: Number
    excused: int | None
    token: int | None
    lease: int | None
    owned: int | None
    key: str | None
    tried: bytes | None


class KeyRow(msgspec.Struct, frozen=True, array_like=True):
    """An idempotency key."""

    key: str
    ids: str
    digest: str
    expires: Number


class MarkRow(msgspec.Struct, frozen=True, array_like=True):
    """How far a source has been read."""

    source: str
    position: str


class ClockRow(msgspec.Struct, frozen=True, array_like=True):
    """The last time that the file has seen."""

    seen: Number


class SequenceRow(msgspec.Struct, frozen=True, array_like=True):
    """The highest number that a delivery has ever had."""

    name: Literal["outbox_delivery"]
    highest: Number


Row = DestinationRow | BatchRow | DeliveryRow | KeyRow | MarkRow | ClockRow | SequenceRow


class Scan:
    """All rows of an outbox that a file has. `damaged`: pages in use that could not be read, or not wholly."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self.damaged: set[int] = set()
        self.has_schema = False  # the tables of an outbox are named in it
        self._foreign = self._pages_of_others()

    def rows(self, *, live: bool | None, most: int | None = None) -> Iterator[Row]:
        """Those in pages that are in use (True), or of which nothing tells whether they are (None).

        `most`: of so many pages only.
        """
        pages = self._pages
        for number in range(2, (pages.count if most is None else most) + 1):
            if number in self._foreign or pages.is_live(number) is not live:
                continue
            found = read(pages, number)
            if found is None:
                if pages.is_mapped(number) and not below(pages, number):
                    self.damaged.add(number)
                continue
            if found.broken and live:
                self.damaged.add(number)
            for record in found.records:
                row = row_of(record)
                if row is not None:
                    yield row

    def _pages_of_others(self) -> set[int]:
        """Those of tables that are no outbox's, in a file that has others too."""
        roots = []
        for number in _tree(self._pages, 1):
            found = read(self._pages, number)
            for record in () if found is None else found.records:
                if len(record.values) == _SCHEMA_COLUMNS:
                    _, _, table, root, _ = record.values
                    is_ours = isinstance(table, str) and table.startswith((_OURS, _SEQUENCE))
                    self.has_schema |= is_ours and table != _SEQUENCE
                    if not is_ours and isinstance(root, int) and 1 < root <= self._pages.count:
                        roots.append(root)
        return {number for root in roots for number in _tree(self._pages, root)}


def _tree(pages: Pages, root: int) -> list[int]:
    found, seen = [root], {root}
    for number in found:
        for child in below(pages, number):
            if child not in seen:
                seen.add(child)
                found.append(child)
    return found


def row_of(record: Record) -> Row | None:
    """The row, if it is one of an outbox and can be one."""
    kind = _SHAPES.get((record.id is not None, len(record.values)))
    if kind is None:
        return None
    values = record.values
    if record.id is not None and values[0] is None:  # where SQLite has the number itself
        values = [record.id, *values[1:]]
    if len(values) == _BATCH_1:
        values = [*values[:-1], None, values[-1]]
    try:
        row: Row = msgspec.convert(values, kind, builtin_types=(bytes,))
    except msgspec.ValidationError:
        return None
    return row


# By whether a row has a number, and its columns; of version 1 they are fewer.
_SHAPES: dict[tuple[bool, int], type[Row]] = {
    (True, 11): DestinationRow,
    (True, 8): DestinationRow,
    (True, 7): BatchRow,
    (True, _BATCH_1): BatchRow,
    (True, 16): DeliveryRow,
    (False, 4): KeyRow,
    (False, 2): MarkRow,
    (True, 1): ClockRow,
    (True, 2): SequenceRow,
}
