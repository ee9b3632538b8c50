"""Work: claimed deliveries on their way – cut into batches, and what came of these turned into verdicts.

Pure, for any driver: put deliveries in, run the flow of each errand, give what it made back.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

import msgspec

from vaulytica.delivery.batching import Batch, Item, Span
from vaulytica.delivery.cutting import Cutter
from vaulytica.delivery.flow import Failed
from vaulytica.delivery.kept import Later, Past, Redelivery, redeliver
from vaulytica.delivery.lane import Lane
from vaulytica.delivery.outcome import Reason, Result
from vaulytica.delivery.policy import Random
from vaulytica.delivery.ports import Clock, Flow
from vaulytica.delivery.report import Settlement
from vaulytica.delivery.run import DownDetector
from vaulytica.errors import WebhookEventError
from vaulytica.lines import Entries, Lines, decode, decode_kept
from vaulytica.outbox.delivery import Delivery, Part, Tried, Verdict
from vaulytica.outbox.states import State

Read = Callable[[bytes, int], Lines | Entries]
"""The entries of a delivery's body; the milliseconds are now."""


def read_body(body: bytes, now_ms: int) -> Lines | Entries:
    """What was judged when it was put is not judged again."""
    return decode_kept(body) or decode(body, now_ms)[0]


class Errand(msgspec.Struct, frozen=True, eq=False):
    """Batches that go one after the other, and the flow that delivers them."""

    load: _Load
    batches: tuple[Batch, ...]
    past: Past
    flow: Flow[Redelivery]

    @property
    def again(self) -> bool:
        """Whether these have been tried before."""
        return self.past.attempts > 0


class Work:
    """One destination's claimed deliveries; `delivered`, `dead` and `deferred` count events so far.

    `down`: why nothing more should be sent there; `wait`: for how many seconds, as it asked or is not
    answering. Used by one thread or task at a time, but its flows may run anywhere. Of each delivery at
    most `chunk` events are taken in hand at a time; the rest goes back with their verdict. `read` may
    know what `decode` makes of a body.
    """

    def __init__(self, lane: Lane, chunk: int | None = None, read: Read = read_body) -> None:
        self._lane = lane
        self._chunk = chunk
        self._read = read
        self._detector = DownDetector()
        self._held: dict[int, Delivery] = {}
        self._loads: dict[int, tuple[_Load, int]] = {}  # where a delivery is in hand
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
            self._held |= {delivery.id: delivery for delivery in group}
            load = _Load(self._lane, group, clock, self._chunk, self._read)
            self._loads |= {delivery.id: (load, at) for at, delivery in enumerate(group)}
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
                    errands.append(Errand(load, batches, past, flow))
            verdicts += self._ended(load.unfit())
        return errands, verdicts

    def _groups(self, deliveries: Iterable[Delivery]) -> list[list[Delivery]]:
        """Those that may share a request: of the same past; of those with keys no more than one holds.

        Deliveries of one key stay together.
        """
        groups: dict[object, list[Delivery]] = {}
        full: list[list[Delivery]] = []
        most = self._lane.destination.limits.max_events
        has_deadline = self._lane.destination.retry.deadline is not None
        for _, some in groupby(deliveries, _of_key):
            unit = list(some)
            first = unit[0]
            has_key = first.key is not None
            past = (has_key, first.attempts > 0, first.charged, first.excused is None)
            known = groups.setdefault(first.id if has_deadline else past, [])
            if has_key and known and sum([one.events for one in (*known, *unit)]) > most:
                full.append(list(known))
                known.clear()
            known += unit
        return [*full, *groups.values()]

    def put_back(
        self, errand: Errand, reason: Reason | None = None, after: float = 0.0
    ) -> list[Verdict]:
        """An errand that was not run: its events stand where they stood.

        With a `reason`, the running of it failed for that: one attempt more, and again `after` seconds.
        """
        past = errand.past
        tried = () if reason is None else (Failed(errand.load.now, reason),)
        later = [
            Later(batch.items, after, len(tried), past.charged, past.excused, tried)
            for batch in errand.batches
        ]
        return self._ended(errand.load.take(Redelivery(Settlement(), later, {})))

    def give_way(self, errands: Iterable[Errand]) -> tuple[list[Verdict], dict[int, int]]:
        """Put these back; and of each delivery so far in hand, how many first events may be on their way."""
        loads = dict(self._loads)
        verdicts = [verdict for errand in errands for verdict in self.put_back(errand)]
        return verdicts, {id: load.begun(at) for id, (load, at) in loads.items()}

    def take(self, errand: Errand, made: Redelivery) -> list[Verdict]:
        """What an errand made; the verdicts of deliveries of which that was the last."""
        self._detector.observe(made.settlement)
        self.down = made.down or self._detector.why or self.down
        self.wait = made.wait
        return self._ended(errand.load.take(made))

    def _ended(self, verdicts: list[Verdict]) -> list[Verdict]:
        for verdict in verdicts:
            del self._held[verdict.delivery.id]
            del self._loads[verdict.delivery.id]
            for part in verdict.parts:
                count = verdict.delivery.events if part.lines is None else len(part.lines)
                self.delivered += count if part.state is State.DELIVERED else 0
                self.dead += count if part.state is State.DEAD else 0
                self.deferred += count if part.state is State.DEFERRED else 0
        return verdicts


class _Load:
    """Deliveries whose events share batches: a position is that of the event among all of them."""

    def __init__(
        self,
        lane: Lane,
        deliveries: Sequence[Delivery],
        clock: Clock,
        chunk: int | None,
        read: Read,
    ) -> None:
        self._deliveries = deliveries
        self._read = read
        self._begins: list[int] = []  # the position of each one's first event
        self._left = [delivery.events for delivery in deliveries]
        self._parts: list[dict[Part, list[range]]] = [{} for _ in deliveries]
        self._whole: list[int] = []  # which of them are settled, and not told of yet
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
        self.now = clock.time()
        for at, delivery in enumerate(deliveries):
            self._begins.append(cutter.count)
            count = min(delivery.events, chunk or delivery.events)
            cutter.add(self._entries(delivery, count), 0.0)
            if count < delivery.events:
                part = Part(
                    state=State.DEFERRED, charged=delivery.charged, excused=delivery.excused
                )
                self._parts[at][part] = [range(count, delivery.events)]
                self._left[at] = count
        cutter.flush()

    def _entries(self, delivery: Delivery, count: int) -> Lines | Entries:
        """The first so many events; of a delivery that is damaged, none is fit to be sent."""
        body = delivery.body
        if count < delivery.events:
            body = b"\n".join(body.split(b"\n", count)[:count])
        entries = self._read(body, round(self.now * 1000))
        if len(entries) == count:
            return entries
        error = WebhookEventError(
            f"delivery {delivery.id} holds {len(entries)} events where there should be {count}; "
            "see vaulytica outbox audit"
        )
        return Entries([error] * count)

    def begun(self, at: int) -> int:
        """Of that delivery: behind so many events there are only such as were put back untried."""
        untried = {
            line
            for part, runs in self._parts[at].items()
            if part.state is State.DEFERRED and not part.attempts
            for run in runs
            for line in run
        }
        count = self._deliveries[at].events
        while count - 1 in untried:
            count -= 1
        return count

    def unfit(self) -> list[Verdict]:
        """Take in the events that cannot be sent; the verdicts of deliveries of only such."""
        for result in self._unfit:
            assert result.reason is not None
            tried = (Failed(self.now, result.reason),)
            self._add(result.position, 1, Part(state=State.DEAD, tried=_tried(tried)))
        return self._complete()

    def take(self, made: Redelivery) -> list[Verdict]:
        """Take in what was made of some; the verdicts of deliveries that are now whole."""
        for batch, _, attempts in made.settlement.groups:
            self._add_all(batch.pieces, Part(state=State.DELIVERED, attempts=attempts))
        for later in made.later:
            part = Part(
                state=State.DEFERRED,
                after=later.delay,
                attempts=later.attempts,
                charged=later.charged,
                excused=later.excused,
                tried=_tried(later.tried),
            )
            self._add_all(later.items, part)
        for result in made.settlement.results:
            tried = _tried(made.tried[result.position])
            part = Part(state=State.DEAD, attempts=result.attempts, tried=tried)
            self._add(result.position, 1, part)
        return self._complete()

    def _add_all(self, pieces: Iterable[Item | Span], part: Part) -> None:
        for one in pieces:
            self._add(one.position, len(one.ids) if isinstance(one, Span) else 1, part)

    def _add(self, place: int, count: int, part: Part) -> None:
        """So many events from there on are of one fate; of each delivery they are put with others of the same."""
        while count:
            at = bisect_right(self._begins, place) - 1
            begin = self._begins[at]
            end = self._begins[at + 1] if at + 1 < len(self._begins) else place + count
            some = min(count, end - place)
            run = range(place - begin, place - begin + some)
            self._parts[at].setdefault(part, []).append(run)
            self._left[at] -= some
            if not self._left[at]:
                self._whole.append(at)
            place += some
            count -= some

    def _complete(self) -> list[Verdict]:
        """The verdicts of deliveries of which every event has been told of."""
        whole, self._whole = self._whole, []
        return [Verdict(self._deliveries[at], _parts(self._parts[at])) for at in whole]


def _of_key(delivery: Delivery) -> object:
    return delivery.id if delivery.key is None else delivery.key


def _parts(found: dict[Part, list[range]]) -> tuple[Part, ...]:
    if len(found) == 1:
        return tuple(found)
    return tuple(
        msgspec.structs.replace(part, lines=sorted(line for run in runs for line in run))
        for part, runs in found.items()
    )


def _tried(failed: Iterable[Failed]) -> tuple[Tried, ...]:
    return tuple(Tried(f.at, f.reason.text, f.reason.kind, f.reason.status) for f in failed)
