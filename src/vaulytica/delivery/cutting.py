"""Cutter: fills batches with entries, as they come, to the size that one request may have."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from heapq import nlargest
from itertools import groupby
from typing import cast

from vaulytica.delivery.batching import Batch, Bounds, Item, Span, encode, rejected, too_large
from vaulytica.delivery.outcome import Result
from vaulytica.delivery.ports import Format, Grouped, Lined
from vaulytica.errors import WebhookEventError
from vaulytica.events import Event
from vaulytica.lines import Entries, Given, Line, Lines, Written

# Batches that are being filled at a time, and bytes in all of them.
_MOST_GROUPS = 4096
_MOST_BYTES = 32 * 1024 * 1024
_SEVERAL = 4  # of fewer lines at a time each costs more than an event does


class _Open:
    """A batch that is being filled."""

    __slots__ = ("count", "pieces", "since", "size")

    def __init__(self, since: float) -> None:
        self.pieces: list[Item | Span] = []
        self.count = self.size = 0
        self.since = since


class Cutter:
    """Fills batches with entries, as large as the bounds allow; what is full goes to `ready`.

    An entry is a mapping, an `Event`, a `Line`, or an error that says why there is none; one that is
    no fit event goes to `unfit` as its `Result`, at once; its neighbours are unharmed.
    """

    def __init__(
        self,
        format: Format,
        bounds: Bounds,
        max_event_bytes: int,
        *,
        max_part_bytes: int,
        ready: Callable[[Batch], object],
        unfit: Callable[[Result], object],
        in_order: bool = False,
    ) -> None:
        self._format = format
        self._bounds = bounds
        self._max_bytes = max_event_bytes
        self._limit = max_part_bytes
        self._ready = ready
        self._unfit = unfit
        self._most_groups = 1 if in_order else _MOST_GROUPS
        self._lined = format.encode_lines if isinstance(format, Lined) else None
        self._group = format.group if isinstance(format, Grouped) else None
        self._open: dict[Hashable, _Open] = {}  # in the order in which they were begun
        self._open_bytes = 0
        self._given = Given(max_event_bytes)
        self._takes_dicts = self._lined is not None and bounds.max_events >= _SEVERAL
        self._given_since, self._given_room = 0.0, 0
        self._news = False
        self.count = 0  # entries there were

    @property
    def since(self) -> float | None:
        """When the first event that now waits for its batch to be full came in; None if none waits."""
        first = next(iter(self._open.values()), None)
        if self._given.texts and (first is None or self._given_since < first.since):
            return self._given_since
        return None if first is None else first.since

    @property
    def is_filling(self) -> bool:
        """Whether an event waits for its batch to be full."""
        return bool(self._open or self._given.texts)

    def add(self, entry: object, now: float) -> bool:
        """Take in one entry, or `Lines` or `Entries`, at a time `now` by a clock that only ever grows.

        Returns whether there is news: something is ready or unfit, or a first event has begun to wait.
        """
        if type(entry) is dict and self._takes_dicts and self._given.take_in(entry):
            texts = self._given.texts
            if len(texts) == 1:
                self._given_since = now
                filling = self._open.get(None)
                self._given_room = self._bounds.max_events - (filling.count if filling else 0)
                self._news = not self._open
            if len(texts) >= self._given_room:
                self._add_given()
        else:
            self._add_given()
            self._add(entry, now)
        news, self._news = self._news, False
        return news

    def _add_given(self) -> None:
        if self._given.texts:
            self._add(self._given.take(), self._given_since)

    def _add(self, entry: object, now: float) -> None:
        kind = type(entry)
        if kind is Lines:
            self._add_lines(cast("Lines", entry), now)
        elif kind is Line and self._lined is not None:
            self._add_lines(Lines([cast("Line", entry)], [cast("Line", entry).id]), now)
        elif kind is Entries:
            for kind, some in groupby(cast("Entries", entry), type):
                if kind is Line:
                    rows = cast("list[Line]", list(some))
                    self._add_lines(Lines(rows, [row.id for row in rows]), now)
                else:
                    for one in some:
                        self._add(one, now)
        else:
            self._add_event(entry, now)

    def _add_event(self, entry: object, now: float) -> None:
        position = self.count
        self.count += 1
        try:
            item = self._item(entry, position)
        except WebhookEventError as error:
            self._reject(position, error)
            return
        except Exception as error:  # noqa: BLE001 - an entry's own methods, or a format's, may raise anything
            why = f"the event cannot be read: {type(error).__name__}: {error}"
            self._reject(position, WebhookEventError(why))
            return
        # Only what came as an `Event` may belong to a group.
        group = None if self._group is None or item.event is None else self._group(item.event)
        self._fill(group, item, 1, len(item.part), now)

    def _add_lines(self, lines: Lines, now: float) -> None:
        """As many at a time as there is room for in what is open; one by one where that is not all."""
        start = 0
        while start < len(lines):
            filling = self._open.get(None)
            room = self._bounds.max_events - (filling.count if filling else 0)
            some = lines[start : start + room]
            start += len(some)
            written = None if self._lined is None else self._lined(some)
            if written is None:
                for line in some:
                    self._add_event(line, now)
            elif written.odd or not self._fits(filling, len(written.text)):
                self._add_apart(some, written, now)
            else:
                span = Span(self.count, some.ids, written)
                self.count += len(some)
                self._fill(None, span, len(some), len(written.text), now)

    def _fits(self, filling: _Open | None, size: int) -> bool:
        """Whether so many bytes may be added, and are no more than even one event may have."""
        bounds = self._bounds
        used = bounds.fixed if filling is None else filling.size + bounds.between
        return used + size <= bounds.max_bytes and size <= self._limit

    def _add_apart(self, lines: Lines, written: Written, now: float) -> None:
        parts = iter(written.parts())
        odd = set(written.odd)
        for number, id in enumerate(lines.ids):
            if number in odd:
                self._add_event(lines[number], now)
            elif len(part := next(parts)) > self._limit:
                error = too_large(self._format, id, len(part), self._limit)
                self._reject(self.count, error)
                self.count += 1
            else:
                self._fill(None, Item(self.count, id, part), 1, len(part), now)
                self.count += 1

    def _fill(self, group: Hashable, piece: Item | Span, count: int, size: int, now: float) -> None:
        """Add to what is open, or to a new batch where it does not fit; make ready what is full."""
        filling, bounds = self._open.get(group), self._bounds
        if filling is not None and filling.size + bounds.between + size > bounds.max_bytes:
            self._close(group)
            filling = None
        if filling is None:
            filling = self._begin(group, now)
        filling.pieces.append(piece)
        filling.count += count
        filling.size += size + bounds.between
        self._open_bytes += size
        if filling.count >= bounds.max_events:
            self._close(group)
        elif self._open_bytes > _MOST_BYTES:
            self._close_largest()

    def flush(self, before: float | None = None) -> None:
        """Make ready what waits; with `before`, only batches begun by then."""
        self._add_given()
        for group, filling in list(self._open.items()):
            if before is None or filling.since <= before:
                self._close(group)

    def waiting(self) -> list[Batch]:
        """What is in batches that are not full yet."""
        self._add_given()
        return [Batch(filling.pieces, group) for group, filling in self._open.items()]

    def _item(self, entry: object, position: int) -> Item:
        if isinstance(entry, WebhookEventError):
            raise entry
        if isinstance(entry, Line):
            entry = entry.event()
        event = Event.from_mapping(entry, max_bytes=self._max_bytes)
        return encode(self._format, event, self._limit, position)

    def _reject(self, position: int, error: WebhookEventError) -> None:
        self._unfit(rejected(position, error))
        self._news = True

    def _begin(self, group: Hashable, now: float) -> _Open:
        self._news = self._news or not self._open
        if len(self._open) >= self._most_groups:
            self._close_largest(1 + self._most_groups // 64)
        filling = self._open[group] = _Open(now)
        filling.size = self._bounds.fixed - self._bounds.between
        return filling

    def _close_largest(self, count: int = 1) -> None:
        # Not those begun first: where groups alternate, each batch would hold one event.
        for group in nlargest(count, self._open, key=lambda group: self._open[group].size):
            self._close(group)

    def _close(self, group: Hashable) -> None:
        filling = self._open.pop(group)
        self._open_bytes -= sum(len(piece.part) for piece in filling.pieces)
        self._ready(Batch(filling.pieces, group))
        self._news = True
