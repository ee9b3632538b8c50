"""Batch: 1..n events for one destination in one request, cut by true encoded size."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Sequence
from operator import attrgetter
from typing import cast

import msgspec

from vaulytica.delivery.outcome import Reason, ReasonKind, Rejected, Result
from vaulytica.delivery.ports import Format, Grouped, Limits, Lined
from vaulytica.errors import WebhookEventError
from vaulytica.events import Event
from vaulytica.lines import Line

_PART = attrgetter("part")
_MOST_GROUPS = 64  # batches that are being filled at a time


class Item(msgspec.Struct, frozen=True, gc=False):
    """An event with its encoded bytes and its position in the caller's list."""

    position: int
    event: Event | Line
    part: bytes


class Batch(msgspec.Struct, frozen=True):
    """1..n items that travel in one request; `group` is what the format has them share."""

    items: tuple[Item, ...]
    group: Hashable = None

    @property
    def events(self) -> list[Event | Line]:
        """The events, in order."""
        return [item.event for item in self.items]

    @property
    def id(self) -> str:
        """The event's id; of several, a digest of theirs: the same events always have the same."""
        if len(self.items) == 1:
            return self.items[0].event.id
        ids = "\n".join([item.event.id for item in self.items])
        return f"batch-{hashlib.sha256(ids.encode()).hexdigest()[:32]}"

    def body(self, format: Format) -> bytes:
        """The bytes to sign and send."""
        return format.join(tuple(map(_PART, self.items)))

    def only(self, items: Iterable[Item]) -> Batch:
        """A batch of these of its items."""
        return Batch(tuple(items), self.group)

    def halves(self) -> tuple[Batch, Batch]:
        """Two batches of half the items each; there must be two items at least."""
        middle = len(self.items) // 2
        return self.only(self.items[:middle]), self.only(self.items[middle:])

    def __len__(self) -> int:
        return len(self.items)


class Entries(list[object]):
    """Several entries that a source hands over at once; they count as that many."""


class Bounds:
    """How large a request to one destination may be: what its format allows, and what was learnt since."""

    def __init__(self, limits: Limits) -> None:
        self.max_events = limits.max_events
        self.max_bytes = limits.max_bytes
        self.fixed = limits.fixed
        self.between = limits.between

    def size(self, parts: Sequence[bytes]) -> int:
        """The bytes of a body of these parts."""
        return self.fixed + sum(map(len, parts)) + self.between * (len(parts) - 1)

    def learn(self, size: int) -> float:
        """A request of so many bytes was too large: from now on all are at most half of that. Always 0."""
        self.max_bytes = max(1, min(self.max_bytes, size // 2))
        return 0.0


def encode(format: Format, event: Event, max_bytes: int, position: int = 0) -> Item:
    """The event ready to be batched; raises `WebhookEventError` if it cannot be written or is too large."""
    part = format.encode(event)
    if len(part) > max_bytes:
        raise _too_large(format, event, part, max_bytes)
    return Item(position, event, part)


def _too_large(
    format: Format, event: Event | Line, part: bytes, max_bytes: int
) -> WebhookEventError:
    return WebhookEventError(
        f"the event is {len(part)} bytes as {format.name}, over the limit of {max_bytes}",
        event_id=event.id,
    )


def rejected(position: int, error: WebhookEventError) -> Result:
    """The result of an event that is not fit to be sent."""
    return Result(position, error.event_id, Rejected(Reason(ReasonKind.EVENT, str(error))), 0)


class _Open:
    """A batch that is being filled."""

    __slots__ = ("items", "since", "size")

    def __init__(self, since: float) -> None:
        self.items: list[Item] = []
        self.size = 0
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
        self._encode_lines = format.encode_lines if isinstance(format, Lined) else None
        self._group = format.group if isinstance(format, Grouped) else None
        self._open: dict[Hashable, _Open] = {}
        self.count = 0  # entries there were

    @property
    def since(self) -> float | None:
        """When the first event that now waits for its batch to be full came in; None if none waits."""
        return min((one.since for one in self._open.values()), default=None)

    @property
    def is_filling(self) -> bool:
        """Whether an event waits for its batch to be full."""
        return bool(self._open)

    def add(self, entry: object, now: float) -> None:
        """Take in one entry, at a time `now` by a clock that only ever grows."""
        position = self.count
        self.count += 1
        try:
            item = self._item(entry, position)
        except WebhookEventError as error:
            self._unfit(rejected(position, error))
            return
        except Exception as error:  # noqa: BLE001 - an entry's own methods, or a format's, may raise anything
            why = f"the event cannot be read: {type(error).__name__}: {error}"
            self._unfit(rejected(position, WebhookEventError(why)))
            return
        group = None if self._group is None else self._group(item.event)
        filling = self._open.get(group)
        bounds = self._bounds
        size = len(item.part) + bounds.between
        if filling is None:
            filling = self._begin(group, now)
        elif filling.size + size > bounds.max_bytes:
            self._close(group)
            filling = self._begin(group, now)
        filling.items.append(item)
        filling.size += size
        if len(filling.items) >= bounds.max_events:
            self._close(group)

    def add_all(self, entries: Sequence[object], now: float) -> None:
        """Take in several: lines that can be written as they are go by the hundred, the rest one by one."""
        if self._encode_lines is None or set(map(type, entries)) != {Line}:
            for entry in entries:
                self.add(entry, now)
            return
        lines = cast("Sequence[Line]", entries)
        parts = self._encode_lines(lines)
        sizes = [self._limit + 1 if part is None else len(part) for part in parts]
        start = 0
        while start < len(lines):
            if sizes[start] > self._limit:  # it cannot be written so, or is too large: one by one
                self.add(lines[start], now)
                start += 1
                continue
            filling = self._open.get(None) or self._begin(None, now)
            end = start + self._fitting(filling, sizes, start)
            if end == start:
                self._close(None)
                continue
            place = range(self.count, self.count + end - start)
            filling.items += map(
                Item, place, lines[start:end], cast("list[bytes]", parts[start:end])
            )
            filling.size += sum(sizes[start:end]) + self._bounds.between * (end - start)
            self.count += end - start
            start = end
            if len(filling.items) >= self._bounds.max_events:
                self._close(None)

    def _fitting(self, filling: _Open, sizes: list[int], start: int) -> int:
        """How many parts from there on fit into what is open; one always does, if it is empty."""
        bounds = self._bounds
        end = min(len(sizes), start + bounds.max_events - len(filling.items))
        room = bounds.max_bytes - filling.size
        if sum(sizes[start:end]) + bounds.between * (end - start) <= room and (
            max(sizes[start:end], default=0) <= self._limit
        ):
            return end - start
        count = 0
        for size in sizes[start:end]:
            room -= size + bounds.between
            if size > self._limit or (room < 0 and (count or filling.items)):
                break
            count += 1
        return count

    def flush(self, before: float | None = None) -> None:
        """Make ready what waits; with `before`, only batches begun by then."""
        for group, filling in list(self._open.items()):
            if before is None or filling.since <= before:
                self._close(group)

    def waiting(self) -> list[Batch]:
        """What is in batches that are not full yet."""
        return [Batch(tuple(filling.items), group) for group, filling in self._open.items()]

    def _item(self, entry: object, position: int) -> Item:
        if type(entry) is Line:
            part = None if self._encode_lines is None else self._encode_lines((entry,))[0]
            if part is not None:
                if len(part) > self._limit:
                    raise _too_large(self._format, entry, part, self._limit)
                return Item(position, entry, part)
            return encode(self._format, entry.event(), self._limit, position)
        if isinstance(entry, WebhookEventError):
            raise entry
        event = Event.from_mapping(entry, max_bytes=self._max_bytes)
        return encode(self._format, event, self._limit, position)

    def _begin(self, group: Hashable, now: float) -> _Open:
        if len(self._open) >= self._most_groups:
            self._close(next(iter(self._open)))  # the one begun first
        filling = self._open[group] = _Open(now)
        filling.size = self._bounds.fixed - self._bounds.between
        return filling

    def _close(self, group: Hashable) -> None:
        self._ready(Batch(tuple(self._open.pop(group).items), group))
