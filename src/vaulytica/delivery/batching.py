"""Batch: 1..n events for one destination in one request, cut by true encoded size."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from operator import attrgetter

import msgspec

from vaulytica.delivery.outcome import Reason, ReasonKind, Rejected, Result
from vaulytica.delivery.ports import Format
from vaulytica.errors import WebhookEventError
from vaulytica.events import Event

_PART = attrgetter("part")


class Item(msgspec.Struct, frozen=True):
    """An event with its encoded bytes and its position in the caller's list."""

    position: int
    event: Event
    part: bytes


class Batch(msgspec.Struct, frozen=True):
    """1..n items that travel in one request."""

    items: tuple[Item, ...]

    @property
    def events(self) -> list[Event]:
        """The events, in order."""
        return [item.event for item in self.items]

    @property
    def id(self) -> str:
        """The event's id; of several, a digest of theirs: the same events always have the same."""
        if len(self.items) == 1:
            return self.items[0].event.id
        ids = "\n".join(item.event.id for item in self.items)
        return f"batch-{hashlib.sha256(ids.encode()).hexdigest()[:32]}"

    def body(self, format: Format) -> bytes:
        """The bytes to sign and send."""
        return format.join(tuple(map(_PART, self.items)))

    def __len__(self) -> int:
        return len(self.items)


def encode(format: Format, event: Event, max_bytes: int, position: int = 0) -> Item:
    """The event ready to be batched; raises `WebhookEventError` if it cannot be written or is too large."""
    part = format.encode(event)
    if len(part) > max_bytes or len(part) > format.limits.max_bytes:
        limit = min(max_bytes, format.limits.max_bytes)
        raise WebhookEventError(
            f"the event is {len(part)} bytes as {format.name}, over the limit of {limit}",
            event_id=event.id,
        )
    return Item(position, event, part)


def rejected(position: int, error: WebhookEventError) -> Result:
    """The result of an event that is not fit to be sent."""
    return Result(position, error.event_id, Rejected(Reason(ReasonKind.EVENT, str(error))), 0)


def cut(format: Format, entries: Iterable[object], max_bytes: int) -> Iterator[Batch | Result]:
    """Turn entries into batches as large as the format's limits allow, reading no further than needed.

    An entry that is no fit event comes out as its `Result`, at once; its neighbours are unharmed.
    """
    limits = format.limits
    items: list[Item] = []
    size = 0
    for position, entry in enumerate(entries):
        try:
            event = Event.from_mapping(entry, max_bytes=max_bytes)
            item = encode(format, event, max_bytes, position)
        except WebhookEventError as error:
            yield rejected(position, error)
            continue
        except Exception as error:  # noqa: BLE001 - an entry's own methods, or a format's, may raise anything
            why = f"the event cannot be read: {type(error).__name__}: {error}"
            yield rejected(position, WebhookEventError(why))
            continue
        if items and (len(items) >= limits.max_events or size + len(item.part) > limits.max_bytes):
            yield Batch(tuple(items))
            items, size = [], 0
        items.append(item)
        size += len(item.part)
        if len(items) >= limits.max_events:
            yield Batch(tuple(items))
            items, size = [], 0
    if items:
        yield Batch(tuple(items))
