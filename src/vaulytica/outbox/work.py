"""Work: claimed deliveries on their way – cut into batches, and what came of these turned into verdicts.

Pure, for any driver: put deliveries in, run the flow of each errand, give what it made back.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

import msgspec

from vaulytica.delivery.batching import Batch
from vaulytica.delivery.kept import Later, Past, Redelivery, redeliver
from vaulytica.delivery.lane import Lane
from vaulytica.delivery.outcome import Reason
from vaulytica.delivery.policy import Random
from vaulytica.delivery.ports import Clock, Flow
from vaulytica.delivery.report import Settlement
from vaulytica.delivery.run import DownDetector
from vaulytica.delivery.standing import Failed
from vaulytica.outbox.delivery import Delivery, Verdict
from vaulytica.outbox.load import Load, Read, read_body
from vaulytica.outbox.states import State


class Errand(msgspec.Struct, frozen=True, eq=False):
    """Batches that go one after the other, and the flow that delivers them."""

    load: Load
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
        self._loads: dict[int, tuple[Load, int]] = {}  # where a delivery is in hand
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
            load = Load(self._lane, group, clock, self._chunk, self._read)
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


def _of_key(delivery: Delivery) -> object:
    return delivery.id if delivery.key is None else delivery.key
