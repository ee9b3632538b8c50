"""Work: claimed deliveries on their way – cut into batches, and what came of these turned into verdicts.

Pure, for any driver: put deliveries in, run the flow of each errand, give what it made back.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from vaulytica.delivery.batching import Batch, Item, Span
from vaulytica.delivery.cutting import Cutter
from vaulytica.delivery.flow import Failed
from vaulytica.delivery.kept import Past, Redelivery, redeliver
from vaulytica.delivery.lane import Lane
from vaulytica.delivery.outcome import Result
from vaulytica.delivery.policy import Random
from vaulytica.delivery.ports import Clock, Flow
from vaulytica.delivery.run import DownDetector
from vaulytica.errors import OutboxDamagedError
from vaulytica.lines import decode
from vaulytica.outbox.delivery import Delivery, Part, Tried, Verdict
from vaulytica.outbox.states import State


class Errand(msgspec.Struct, frozen=True, eq=False):
    """Batches that go one after the other, and the flow that delivers them."""

    load: _Load
    batches: tuple[Batch, ...]
    flow: Flow[Redelivery]


class Work:
    """One destination's claimed deliveries; `delivered`, `dead` and `deferred` count events so far.

    `down`: why nothing more should be sent there; `wait`: for how many seconds, as it asked or is not
    answering. Used by one thread or task at a time, but its flows may run anywhere.
    """

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._detector = DownDetector()
        self._held: dict[int, Delivery] = {}
        self.delivered = self.dead = self.deferred = 0
        self.down: str | None = None
        self.wait = 0.0

    @property
    def held(self) -> list[Delivery]:
        """Claims that are not settled yet, to be extended in time."""
        return list(self._held.values())

    def begin(
        self, deliveries: Iterable[Delivery], clock: Clock, rng: Random
    ) -> tuple[list[Errand], list[Verdict]]:
        """The errands to run for these; and verdicts of those of which no event is fit to be sent."""
        errands: list[Errand] = []
        verdicts: list[Verdict] = []
        for group in self._groups(deliveries):
            load = _Load(self._lane, group, clock)
            self._held |= {delivery.id: delivery for delivery in group}
            first = group[0]
            ordered = first.key is not None
            past = Past(
                first.attempts,
                first.charged,
                max(delivery.age for delivery in group),
                max((d.excused for d in group if d.excused is not None), default=None),
            )
            for batches in [tuple(load.batches)] if ordered else [(b,) for b in load.batches]:
                if batches:
                    flow = redeliver(self._lane, batches, past, clock, rng, ordered=ordered)
                    errands.append(Errand(load, batches, flow))
            verdicts += self._ended(load.unfit())
        return errands, verdicts

    def _groups(self, deliveries: Iterable[Delivery]) -> list[list[Delivery]]:
        """Those that may share a request: of the same past, and no order to keep."""
        groups: dict[object, list[Delivery]] = {}
        has_deadline = self._lane.destination.retry.deadline is not None
        for delivery in deliveries:
            alone = delivery.key is not None or has_deadline
            past = (delivery.attempts > 0, delivery.charged, delivery.excused is None)
            groups.setdefault(delivery.id if alone else past, []).append(delivery)
        return list(groups.values())

    def take(self, errand: Errand, made: Redelivery) -> list[Verdict]:
        """What an errand made; the verdicts of deliveries of which that was the last."""
        self._detector.observe(made.settlement)
        self.down = made.down or self._detector.why or self.down
        self.wait = made.wait
        return self._ended(errand.load.take(made))

    def _ended(self, verdicts: list[Verdict]) -> list[Verdict]:
        for verdict in verdicts:
            del self._held[verdict.delivery.id]
            for part in verdict.parts:
                count = verdict.delivery.events if part.lines is None else len(part.lines)
                self.delivered += count if part.state is State.DELIVERED else 0
                self.dead += count if part.state is State.DEAD else 0
                self.deferred += count if part.state is State.DEFERRED else 0
        return verdicts


class _Load:
    """Deliveries whose events share batches: a position is that of the event among all of them."""

    def __init__(self, lane: Lane, deliveries: Sequence[Delivery], clock: Clock) -> None:
        self._deliveries = deliveries
        self._begins: list[int] = []  # the position of each one's first event
        self._left = [delivery.events for delivery in deliveries]
        self._parts: list[dict[Any, list[int]]] = [{} for _ in deliveries]
        self.batches: list[Batch] = []
        self._unfit: list[Result] = []
        destination = lane.destination
        cutter = Cutter(
            destination.format,
            lane.bounds,
            destination.max_event_bytes,
            max_part_bytes=destination.max_part_bytes,
            ready=self.batches.append,
            unfit=self._unfit.append,
            in_order=deliveries[0].key is not None,
        )
        self._now = clock.time()
        for delivery in deliveries:
            self._begins.append(cutter.count)
            entries, _ = decode(delivery.body, round(self._now * 1000))
            if len(entries) != delivery.events:
                raise OutboxDamagedError(
                    f"delivery {delivery.id} holds {len(entries)} events, and should {delivery.events}; "
                    "see vaulytica outbox audit"
                )
            cutter.add(entries, 0.0)
        cutter.flush()

    def unfit(self) -> list[Verdict]:
        """Take in the events that cannot be sent; the verdicts of deliveries of only such."""
        for result in self._unfit:
            assert result.reason is not None
            tried = (Failed(self._now, result.reason),)
            self._add([result.position], Part(state=State.DEAD, tried=_tried(tried)))
        return self._complete(result.position for result in self._unfit)

    def take(self, made: Redelivery) -> list[Verdict]:
        """Take in what was made of some; the verdicts of deliveries that are now whole."""
        places: list[int] = []
        for batch, _, attempts in made.settlement.groups:
            places += self._of(batch.pieces, Part(state=State.DELIVERED, attempts=attempts))
        for later in made.later:
            part = Part(
                state=State.DEFERRED,
                after=later.delay,
                attempts=later.attempts,
                charged=later.charged,
                excused=later.excused,
                tried=_tried(later.tried),
            )
            places += self._of(later.items, part)
        for result in made.settlement.results:
            tried = _tried(made.tried[result.position])
            part = Part(state=State.DEAD, attempts=result.attempts, tried=tried)
            self._add([result.position], part)
            places.append(result.position)
        return self._complete(places)

    def _of(self, pieces: Iterable[Item | Span], part: Part) -> list[int]:
        places: list[int] = []
        for one in pieces:
            count = len(one.ids) if isinstance(one, Span) else 1
            places += range(one.position, one.position + count)
        self._add(places, part)
        return places

    def _add(self, places: Sequence[int], part: Part) -> None:
        """Events of one fate; those of each delivery are put together with others of the same."""
        for at, lines in self._by_delivery(places):
            self._parts[at].setdefault(part, []).extend(lines)

    def _by_delivery(self, places: Sequence[int]) -> list[tuple[int, Iterable[int]]]:
        first, last = self._at(min(places)), self._at(max(places))
        if first == last:
            begin = self._begins[first]
            return [(first, [place - begin for place in places])]
        found: dict[int, list[int]] = {}
        for place in places:
            at = self._at(place)
            found.setdefault(at, []).append(place - self._begins[at])
        return list(found.items())

    def _at(self, place: int) -> int:
        return bisect_right(self._begins, place) - 1

    def _complete(self, places: Iterable[int]) -> list[Verdict]:
        places = list(places)
        verdicts: list[Verdict] = []
        for at, lines in self._by_delivery(places) if places else ():
            delivery = self._deliveries[at]
            self._left[at] -= len(list(lines))
            if not self._left[at]:
                parts = self._parts[at]
                whole = len(parts) == 1
                verdicts.append(
                    Verdict(
                        delivery,
                        tuple(
                            msgspec.structs.replace(part, lines=None if whole else lines)
                            for part, lines in parts.items()
                        ),
                    )
                )
        return verdicts


def _tried(failed: Iterable[Failed]) -> tuple[Tried, ...]:
    return tuple(Tried(f.at, f.reason.text, f.reason.kind, f.reason.status) for f in failed)
