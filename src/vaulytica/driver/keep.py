"""Keeping: what a sender that has an outbox does with events, instead of sending them."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Iterator

from vaulytica.delivery.batching import Batch, encode, rejected
from vaulytica.delivery.destination import Destination
from vaulytica.delivery.outcome import Delivered, Result
from vaulytica.delivery.report import Report
from vaulytica.errors import WebhookEventError
from vaulytica.events import Event
from vaulytica.lines import Line
from vaulytica.outbox.parcel import Parcel
from vaulytica.outbox.ports import AsyncOutbox, Outbox

KEPT = Delivered(202, "kept in the outbox")
_MOST = 1000  # events in a parcel

OnResult = Callable[[Result], object]


class Keeper:
    """Makes parcels of entries, and gathers a result for each; one that is no fit event is refused."""

    def __init__(self, destination: Destination, on_result: OnResult | None = None) -> None:
        self._destination = destination
        self._on_result = on_result
        self._fit: list[tuple[int, Event | Line]] = []
        self._count = 0
        self.results: list[Result] = []

    def parcels(self, entries: Iterable[object]) -> Iterator[Parcel]:
        """Full parcels, and the rest; each is to be put before the next is asked for."""
        for entry in entries:
            if (parcel := self.add(entry)) is not None:
                yield parcel
                self.kept()
        if (parcel := self.rest()) is not None:
            yield parcel
            self.kept()

    def add(self, entry: object) -> Parcel | None:
        """Take in an entry; a parcel to be put, if it is full."""
        position, self._count = self._count, self._count + 1
        try:
            self._fit.append((position, self._checked(entry)))
        except WebhookEventError as error:
            self._tell(rejected(position, error))
        return self.rest() if len(self._fit) >= _MOST else None

    def rest(self) -> Parcel | None:
        """A parcel of what is there."""
        return Parcel.of([event for _, event in self._fit]) if self._fit else None

    def kept(self) -> None:
        """The parcel is on disk."""
        for position, event in self._fit:
            self._tell(Result(position, event.id, KEPT, 0))
        self._fit.clear()

    def _checked(self, entry: object) -> Event | Line:
        destination = self._destination
        if isinstance(entry, WebhookEventError):
            raise entry
        if isinstance(entry, Line):
            return entry
        event = Event.from_mapping(entry, max_bytes=destination.max_event_bytes)
        encode(
            destination.format, event, destination.max_part_bytes
        )  # the caller is here to be told
        return event

    def _tell(self, result: Result) -> None:
        self.results.append(result)
        if self._on_result is not None:
            self._on_result(result)


def events_of(batch: Batch) -> list[Event]:
    """The events of a batch that was made of events."""
    return [item.event for item in batch.items if item.event is not None]


def keep(outbox: Outbox, name: str, keeper: Keeper, events: Iterable[object]) -> Report:
    """Put them all for that destination; what is counted is what is kept."""
    for parcel in keeper.parcels(events):
        outbox.put(parcel, [name])
    return Report(keeper.results)


async def akeep(
    outbox: AsyncOutbox,
    name: str,
    keeper: Keeper,
    events: Iterable[object] | AsyncIterable[object],
) -> Report:
    """The same for asyncio."""
    if isinstance(events, AsyncIterable):
        async for entry in events:
            if (parcel := keeper.add(entry)) is not None:
                await outbox.put(parcel, [name])
                keeper.kept()
        events = ()
    for parcel in keeper.parcels(events):
        await outbox.put(parcel, [name])
    return Report(keeper.results)
