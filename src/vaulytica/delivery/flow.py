"""The one flow of delivering: attempt a batch, wait, retry what is deferred, until all is settled."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import msgspec
from msgspec.structs import replace

from vaulytica.delivery.attempt import Attempt, Leave, attempt
from vaulytica.delivery.batching import Batch, Item
from vaulytica.delivery.lane import Lane
from vaulytica.delivery.outcome import (
    Deferred,
    Delivered,
    Outcome,
    Reason,
    ReasonKind,
    Rejected,
    Result,
    are_all,
)
from vaulytica.delivery.policy import GiveUp, Random, RetryAt, RetryPolicy
from vaulytica.delivery.ports import Clock, Effect, Flow, turn, wait
from vaulytica.delivery.report import Settlement


class Under(msgspec.Struct):
    """Events that are still under way together: requests made for them, those that count, and what was met."""

    batch: Batch
    attempts: int = 0
    charged: int = 0
    excused_since: float | None = None
    tried: tuple[Failed, ...] = ()
    last: GiveUp | None = None  # there is one attempt more, to see which event is at fault

    def of(self, batch: Batch) -> Under:
        """The same history, for some of the events."""
        return replace(self, batch=batch)


class Failed(msgspec.Struct, frozen=True):
    """An attempt that did not deliver: when, in seconds since 1970, and why."""

    at: float
    reason: Reason


def deliver(
    lane: Lane,
    batch: Batch,
    clock: Clock,
    rng: Random,
    *,
    retry: RetryPolicy | None = None,
    patient: bool = True,
    ordered: bool = False,
) -> Flow[Settlement]:
    """Attempt until every event is delivered, rejected, or given up on.

    `retry` takes the place of the destination's own policy, as for a test of the connection. Patient
    ones bear a busy destination for its `patience`; else every attempt counts. `ordered`: what was not
    sent yet does not overtake an event that is given up on.
    """
    policy = retry or lane.destination.retry
    return Delivering(lane, policy, clock, rng, patient=patient, ordered=ordered).flow(batch)


MANY = (
    32  # events that are refused one by one, before it is asked whether the destination takes any
)
_ALONE = frozenset({ReasonKind.TOO_LARGE})  # what is told of each event by itself all the same
_MAY_BE_ONES = 500  # the status that a single event may provoke for its whole batch
_AT_ONCE = RetryAt(0.0)
# Of the first attempt, and of those after it.
_PATIENT = Leave(), Leave(again=True)
_IMPATIENT = Leave(patient=False), Leave(patient=False, again=True)


class Delivering:
    """One delivery under way: its parts, each with its own history, and what is settled."""

    def __init__(
        self,
        lane: Lane,
        policy: RetryPolicy,
        clock: Clock,
        rng: Random,
        *,
        patient: bool,
        ordered: bool,
        started: float | None = None,
    ) -> None:
        self._lane, self._policy, self._clock, self._rng = lane, policy, clock, rng
        self._patient, self._ordered = patient, ordered
        self._in_turn = ordered  # no event may be sent before those that came earlier
        self._started = clock.monotonic() if started is None else started
        self._settlement = Settlement()
        self._refusals = 0  # of events by themselves, that were cut out of a batch; in a row
        if patient and policy.deadline is None:
            self._first, self._again = _PATIENT
        else:
            self._first, self._again = self._leaves()

    def _leaves(self) -> tuple[Leave, Leave]:
        policy = self._policy
        until = None if policy.deadline is None else self._started + policy.deadline
        held = self._patient or policy.max_retries > 0
        if until is None and held:
            return _IMPATIENT
        first = Leave(patient=self._patient, held=held, until=until)
        return first, replace(first, again=True)

    def flow(self, batch: Batch) -> Flow[Settlement]:
        """Part after part, until none is left."""
        parts = [self._begin(batch)]  # the next one last
        while parts:
            part = parts.pop()
            made = yield from attempt(self._lane, part.batch, self._clock, self._leave(part))
            first = made.outcomes[0]
            part.attempts += made.sent
            if not made.sent:
                self._not_sent(part, made, parts)
            elif isinstance(first, Delivered) and are_all(made.outcomes, first):
                self._refusals = 0
                self._lane.bounds.took(made.size)
                self._settlement.take(part.batch, first, part.attempts)
            elif isinstance(first, Rejected) and first.reason.shared and len(part.batch) > 1:
                if first.reason.kind is ReasonKind.TOO_LARGE:
                    yield from turn(partial(self._lane.bounds.learn, made.size))
                parts += [part.of(half) for half in reversed(part.batch.halves())]
            elif deferred := self._settle(part, made.outcomes):
                yield from self._retry(part, deferred, made, parts)
            if len(part.batch) == 1 and isinstance(first, Rejected | Deferred) and parts:
                yield from self._doubt(part, first, made, parts)
        return self._settlement

    def _doubt(
        self, part: Under, outcome: Rejected | Deferred, made: Attempt, parts: list[Under]
    ) -> Iterable[Effect]:
        """When many in a row are refused by themselves, and the last one as well, the rest is put off.

        It is the destination then that refuses all there is, and to try each event alone would cost two
        requests an event. Where order matters, the last one cannot go first.
        """
        met_what_the_batch_did = outcome.reason.shared or part.last is not None
        if self._in_turn or not met_what_the_batch_did or outcome.reason.kind in _ALONE:
            return ()
        self._refusals += 1
        if self._refusals < MANY:
            return ()
        if self._refusals == MANY:
            parts.append(parts[0].of(parts[0].batch.only(parts[0].batch.items[-1:])))
            before = parts[0].batch.items[:-1]
            parts[0] = parts[0].of(parts[0].batch.only(before))
            if not before:
                del parts[0]
            return ()
        self._refusals = 0
        text = f"refused, as were {MANY + 1} events each by itself: {outcome.reason.text}"
        put_off = Deferred(replace(outcome.reason, text=text, shared=False))
        items = [item for part in reversed(parts) for item in part.batch.items]
        rest = parts[-1].of(parts[-1].batch.only(items))
        parts.clear()
        deferred: Deferrals = [(item, put_off) for item in items]
        if part.last is None:
            return self._retry(rest, deferred, made, parts)
        self._give_up(rest, deferred, part.last, parts)
        return ()

    def _begin(self, batch: Batch) -> Under:
        """The whole batch, with what went before."""
        return Under(batch)

    def _leave(self, part: Under) -> Leave:
        return self._again if part.attempts else self._first

    def _not_sent(self, part: Under, made: Attempt, parts: list[Under]) -> None:
        """It would have begun too late."""
        for item in part.batch.items:
            self._keep(part, item, made.outcomes[0])

    def _retry(
        self, part: Under, deferred: Deferrals, made: Attempt, parts: list[Under]
    ) -> Iterable[Effect]:
        """Decide on what is deferred; what is to happen before the next part."""
        step = self._next_step(part, deferred, made)
        rest = part.of(part.batch.only(item for item, _ in deferred))
        if isinstance(step, GiveUp):
            whose = deferred[0][1].reason.status
            if len(rest.batch) > 1 and whose == _MAY_BE_ONES and not self._ordered:
                rest.last = step
                parts += [rest.of(half) for half in reversed(rest.batch.halves())]
            else:
                self._give_up(part, deferred, step, parts)
            return ()
        if step is _AT_ONCE:
            parts.append(rest)
            return ()
        return self._later(rest, step.delay, deferred[0][1], parts)

    def _later(
        self, rest: Under, delay: float, outcome: Deferred, parts: list[Under]
    ) -> Iterable[Effect]:
        """Have the rest tried again in so many seconds."""
        parts.append(rest)
        return wait(delay, self._why(rest, outcome))

    def _settle(self, part: Under, outcomes: list[Outcome]) -> Deferrals:
        """Keep what is settled; give back what is not."""
        deferred: Deferrals = []
        for item, outcome in zip(part.batch.items, outcomes, strict=True):
            if isinstance(outcome, Deferred):
                deferred.append((item, outcome))
            elif isinstance(outcome, Delivered):
                self._settlement.take(part.batch.only((item,)), outcome, part.attempts)
            else:
                self._keep(part, item, outcome)
        return deferred

    def _next_step(self, part: Under, deferred: Deferrals, made: Attempt) -> RetryAt | GiveUp:
        """When to try again; an attempt that the destination is excused for costs nothing."""
        fewer = len(deferred) < len(made.outcomes)  # so this comes to an end
        if fewer and all(outcome.reason.kind is ReasonKind.UNREAD for _, outcome in deferred):
            return _AT_ONCE
        if part.last is not None:
            return part.last
        now = self._clock.monotonic()
        asked = max(outcome.retry_after or 0.0 for _, outcome in deferred)
        patience = self._lane.destination.patience if self._patient else 0.0
        if not (made.excused and patience and self._policy.max_retries):
            part.charged += 1
            part.excused_since = None
            return self._policy.next_step(part.charged, asked, now - self._started, self._rng)
        if part.excused_since is None:
            part.excused_since = now
        if now - part.excused_since >= patience:
            by_proxy = deferred[0][1].reason.kind is ReasonKind.PROXY
            who = "the proxy was down" if by_proxy else "the destination was busy or down"
            return GiveUp(
                f"{who} for {now - part.excused_since:.0f} s, and the last attempt failed with"
            )
        return self._policy.next_step(0, asked, now - self._started, self._rng)

    def _give_up(self, part: Under, deferred: Deferrals, step: GiveUp, others: list[Under]) -> None:
        for item, outcome in deferred:
            text = f"{step.why}: {outcome.reason.text}"
            self._keep(part, item, replace(outcome, reason=replace(outcome.reason, text=text)))
        while self._ordered and others:
            left = others.pop()
            text = f"not sent: it would overtake an earlier event: {deferred[0][1].reason.text}"
            for item in left.batch.items:
                self._keep(left, item, Deferred(Reason(ReasonKind.NOT_SENT, text)))

    def _keep(self, part: Under, item: Item, outcome: Outcome) -> None:
        result = Result(item.position, item.id, outcome, part.attempts)
        self._settlement.results.append(result)

    def _why(self, part: Under, outcome: Deferred) -> str:
        tried = f"attempt {part.attempts}"
        if part.charged == part.attempts:
            tried += f" of {self._policy.max_retries + 1}"
        return f"{self._lane.destination.name}: {tried}: {outcome.reason.text}"


Deferrals = list[tuple[Item, Deferred]]


def not_sent(batch: Batch, why: str) -> Settlement:
    """The settlement of a batch for which no request was made."""
    deferred = Deferred(Reason(ReasonKind.NOT_SENT, f"not sent: {why}"))
    return Settlement([Result(item.position, item.id, deferred, 0) for item in batch.items])
