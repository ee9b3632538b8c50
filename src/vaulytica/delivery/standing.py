"""Standing: where the events of one delivery stand, for whoever is stopped and must say what may have arrived."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from vaulytica.delivery.batching import Batch, Item
from vaulytica.delivery.outcome import Deferred, Reason, Result
from vaulytica.delivery.ports import Flow, Send, T
from vaulytica.delivery.report import Settlement

Deferrals = list[tuple[Item, Deferred]]


class Failed(msgspec.Struct, frozen=True):
    """An attempt that did not deliver: when, in seconds since 1970, and why."""

    at: float
    reason: Reason


class Under(msgspec.Struct):
    """Events that are still under way together: requests made for them, those that count, and what was met.

    `answers`: to the last request, for each of these events, and perhaps for others. `more`: by position,
    the requests that only some of them were in.
    """

    batch: Batch
    attempts: int = 0
    charged: int = 0
    excused_since: float | None = None
    tried: tuple[Failed, ...] = ()
    answers: Deferrals = []
    more: dict[int, int] = {}  # msgspec makes each a dict of its own

    def of(self, batch: Batch) -> Under:
        """The same history, for some of the events."""
        return replace(self, batch=batch)

    def halves(self) -> list[Under]:
        """The second half and the first; one event alone stays as it is."""
        if len(self.batch) == 1:
            return [self]
        return [self.of(half) for half in reversed(self.batch.halves())]

    def asked(self, position: int) -> int:
        """How many requests one of the events was in."""
        return self.attempts + self.more.get(position, 0)

    def joined(self, parts: list[Under]) -> Under:
        """What is left of these events in such parts, together again and in order."""
        by_position = {item.position: (item, one) for one in parts for item in one.batch.items}
        left = [by_position[position] for position in sorted(by_position)]
        attempts = min(one.asked(item.position) for item, one in left)
        more = {
            item.position: asked - attempts
            for item, one in left
            if (asked := one.asked(item.position)) > attempts
        }
        batch = self.batch.only(item for item, _ in left)
        answers = [answer for one in parts for answer in one.answers]
        return replace(self, batch=batch, attempts=attempts, more=more, answers=answers)


class Left(msgspec.Struct, frozen=True):
    """What a stopped run leaves: items that may have arrived, and items for which nothing was begun.

    `results`: of batches that were stopped between two requests, what is known of each event: delivered,
    rejected, or deferred for the reason that the last request met.
    """

    under_way: list[Item]
    not_begun: list[Item]
    results: list[Result]


class _Parts:
    """Parts, the next one last; `sent`: a request for that one is made, and its answer not yet heeded."""

    __slots__ = ("parts", "sent")

    def __init__(self, parts: tuple[Under, ...]) -> None:
        self.parts = parts
        self.sent = False


class Standing:
    """Kept by a flow, and looked at from any thread, at any time: so what it shows is replaced, not changed.

    `sent` is noted before a request is made. A driver that was stopped before makes none, so one that is
    not noted when the stop is over never will be.
    """

    def __init__(self, settlement: Settlement) -> None:
        self._settlement = settlement
        self._now = _Parts(())

    def between(self, parts: Iterable[Under]) -> None:
        """No request is under way; these are left to be attempted."""
        self._now = _Parts(tuple(parts))

    def watched(self, flow: Flow[T]) -> Flow[T]:
        """The same flow, and a note of each request that it asks for."""
        answer: object = None
        failure: Exception | None = None
        try:
            while True:
                try:
                    effect = flow.send(answer) if failure is None else flow.throw(failure)
                except StopIteration as stop:
                    result: T = stop.value
                    return result
                if type(effect) is Send:
                    self._now.sent = True
                failure = None
                try:
                    answer = yield effect
                except Exception as error:  # noqa: BLE001 - whatever it is, it is the flow's
                    failure = error
        finally:
            flow.close()

    def left(self, into: Left) -> None:
        """Add all events of the delivery, each to what it belongs to."""
        now = self._now  # before what is settled: what is in neither would be lost
        settled = self._settlement.all()
        into.results.extend(settled)
        done = {result.position for result in settled}
        for part in now.parts:
            sent = now.sent and part is now.parts[-1]
            met = {item.position: outcome for item, outcome in part.answers}
            for item in part.batch.items:
                if item.position in done:
                    continue
                if sent:
                    into.under_way.append(item)
                elif (last := met.get(item.position)) is None:
                    into.not_begun.append(item)
                else:
                    stopped = _stopped(last)
                    into.results.append(
                        Result(item.position, item.id, stopped, part.asked(item.position))
                    )


def _stopped(last: Deferred) -> Deferred:
    text = f"stopped before the next attempt; the last failed with: {last.reason.text}"
    return replace(last, reason=replace(last.reason, text=text, shared=False))
