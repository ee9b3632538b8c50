"""Load: claimed deliveries whose events share batches, and what became of each event of them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence

import msgspec

from vaulytica.delivery.batching import Batch, Item, Span
from vaulytica.delivery.cutting import Cutter
from vaulytica.delivery.kept import Redelivery
from vaulytica.delivery.lane import Lane
from vaulytica.delivery.outcome import Result
from vaulytica.delivery.ports import Clock
from vaulytica.delivery.standing import Failed
from vaulytica.errors import WebhookEventError
from vaulytica.lines import Entries, Lines, decode, decode_kept
from vaulytica.outbox.delivery import Delivery, Part, Tried, Verdict
from vaulytica.outbox.states import State

Read = Callable[[bytes, int], Lines | Entries]
"""The entries of a delivery's body; the milliseconds are now."""


def read_body(body: bytes, now_ms: int) -> Lines | Entries:
    """What was judged when it was put is not judged again."""
    return decode_kept(body) or decode(body, now_ms)[0]


class Load:
    """A position is that of the event among all of them. `batches` are to be sent, `now` is when it was made."""

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
        what = (
            f"holds {len(entries)} events where there should be {count}"
            if delivery.body
            else "was altered on the disk: its checksum does not fit, and nothing of it is sent"
        )
        error = WebhookEventError(
            f"delivery {delivery.id} {what}; `vaulytica outbox audit` says more, "
            "`vaulytica outbox recover` saves what can be read"
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


def _parts(found: dict[Part, list[range]]) -> tuple[Part, ...]:
    if len(found) == 1:
        return tuple(found)
    return tuple(
        msgspec.structs.replace(part, lines=sorted(line for run in runs for line in run))
        for part, runs in found.items()
    )


def _tried(failed: Iterable[Failed]) -> tuple[Tried, ...]:
    return tuple(Tried(f.at, f.reason.text, f.reason.kind, f.reason.status) for f in failed)
