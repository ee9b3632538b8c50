"""Batch: 1..n events for one destination in one request, cut by true encoded size."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Sequence
from operator import attrgetter

import msgspec

from vaulytica.delivery.outcome import Reason, ReasonKind, Rejected, Result
from vaulytica.delivery.ports import Format, Limits
from vaulytica.errors import WebhookEventError
from vaulytica.events import Event
from vaulytica.lines import Written, joined

_PART = attrgetter("part")


class Item(msgspec.Struct, frozen=True, gc=False):
    """An event's id and encoded bytes, with its position in the caller's list.

    `event` is there if it was made; of what was read from a line only the bytes are kept.
    """

    position: int
    id: str
    part: bytes
    event: Event | None = None


class Span(msgspec.Struct, frozen=True, gc=False):
    """Lines that follow each other, written at once; the first of them is at `position`."""

    position: int
    ids: Sequence[str]
    written: Written

    @property
    def part(self) -> bytes:
        """Their parts, as they stand in a body."""
        return self.written.text

    def items(self) -> list[Item]:
        """Each by itself."""
        places = range(self.position, self.position + len(self.ids))
        return list(map(Item, places, self.ids, self.written.parts()))


class Batch:
    """1..n events that travel in one request; `group` is what the format has them share.

    Made of items and spans. Most batches are delivered whole, and none of a span's items is ever made.
    """

    __slots__ = ("_count", "group", "pieces")

    def __init__(self, pieces: Iterable[Item | Span], group: Hashable = None) -> None:
        self.pieces = tuple(pieces)
        self.group = group
        self._count = len(self.pieces)
        for one in self.pieces:
            if type(one) is Span:
                self._count += len(one.ids) - 1

    @property
    def items(self) -> tuple[Item, ...]:
        """Each event by itself, in order."""
        items: list[Item] = []
        for one in self.pieces:
            items += one.items() if isinstance(one, Span) else (one,)
        return tuple(items)

    @property
    def ids(self) -> list[str]:
        """The events' ids, in order."""
        ids: list[str] = []
        for one in self.pieces:
            ids += one.ids if isinstance(one, Span) else (one.id,)
        return ids

    @property
    def id(self) -> str:
        """The event's id; of several, a digest of theirs: the same events always have the same."""
        if self._count == 1:
            (only,) = self.pieces
            return only.ids[0] if isinstance(only, Span) else only.id
        ids = [joined(one.ids) if isinstance(one, Span) else one.id for one in self.pieces]
        digest = hashlib.sha256("\n".join(ids).encode()).hexdigest()
        return f"batch-{digest[:32]}"

    @property
    def parts(self) -> tuple[bytes, ...]:
        """What a format joins to the body."""
        return tuple(map(_PART, self.pieces))

    def body(self, format: Format) -> bytes:
        """The bytes to sign and send."""
        return format.join(self.parts)

    def only(self, items: Iterable[Item]) -> Batch:
        """A batch of these of its items."""
        return Batch(items, self.group)

    def halves(self) -> tuple[Batch, Batch]:
        """Two batches of half the items each; there must be two items at least."""
        items, middle = self.items, len(self) // 2
        return self.only(items[:middle]), self.only(items[middle:])

    def __len__(self) -> int:
        return self._count


class Bounds:
    """How large a request to one destination may be: what its format allows, and what was learnt since."""

    def __init__(self, limits: Limits) -> None:
        self.max_events = limits.max_events
        self.max_bytes = limits.max_bytes
        self.fixed = limits.fixed
        self.between = limits.between
        self._taken = 0  # bytes of the largest request that was taken, as far as is still believed

    def size(self, parts: Sequence[bytes]) -> int:
        """The bytes of a body of these parts."""
        return self.fixed + sum(map(len, parts)) + self.between * (len(parts) - 1)

    def took(self, size: int) -> None:
        """A request of so many bytes was taken."""
        self._taken = max(self._taken, size)

    def learn(self, size: int) -> float:
        """A request of so many bytes was too large: from now on all are at most half of that. Always 0.

        When as much was taken before, that is believed only the second time: one answer may be a fluke.
        """
        if size <= self._taken:
            self._taken = 0
        else:
            self.max_bytes = max(1, min(self.max_bytes, size // 2))
        return 0.0


def encode(format: Format, event: Event, max_bytes: int, position: int = 0) -> Item:
    """The event ready to be batched; raises `WebhookEventError` if it cannot be written or is too large."""
    part = format.encode(event)
    if len(part) > max_bytes:
        raise too_large(format, event.id, len(part), max_bytes)
    return Item(position, event.id, part, event)


def too_large(format: Format, id: str, size: int, max_bytes: int) -> WebhookEventError:
    """The error of an event that is so many bytes."""
    return WebhookEventError(
        f"the event is {size} bytes as {format.name}, over the limit of {max_bytes}", event_id=id
    )


def rejected(position: int, error: WebhookEventError) -> Result:
    """The result of an event that is not fit to be sent."""
    return Result(position, error.event_id, Rejected(Reason(ReasonKind.EVENT, str(error))), 0)
