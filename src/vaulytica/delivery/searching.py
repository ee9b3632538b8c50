"""Searching: which events of a batch are at fault, and when it is the destination that refuses all there is.

A batch refused as a whole is cut in halves, and these again, until what is refused stands alone. That
finds a few among many; where everything is refused it would cost two requests an event. What tells the
two apart is whether anything of the batch is taken. Theory: docs/adr/0024-searching.md.
"""

from __future__ import annotations

from math import inf

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
)
from vaulytica.delivery.policy import GiveUp, Random, RetryAt, RetryPolicy, given_up
from vaulytica.delivery.ports import Clock, Flow
from vaulytica.delivery.report import Settlement
from vaulytica.delivery.standing import Deferrals, Standing, Under

MANY = 32  # events refused by themselves, in a row, before it is asked whether any is taken
_BREAKS = 500  # the status that a single event may provoke for its whole batch
_ALONE = frozenset({ReasonKind.TOO_LARGE})  # what is told of each event by itself all the same


class Searching:
    """A delivery's parts that are settled, given up on, or looked through."""

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
        self.standing = Standing(self._settlement)
        self._patience = lane.destination.patience if patient else 0.0
        self._refused = 0  # events by themselves, in a row, since anything was taken
        self._search_until = inf

    def _leave(self, part: Under) -> Leave:
        policy, again = self._policy, part.attempts > 0
        until = inf if policy.deadline is None else self._started + policy.deadline
        if part.last is not None:  # a search finds out by itself what a breaker's probe would
            return Leave(patient=False, until=min(until, self._search_until), again=again)
        patient, held = self._patient, self._patient or policy.max_retries > 0
        return Leave(patient, held, self._longest if patient else inf, until, again)

    @property
    def _longest(self) -> float:
        """Seconds that a destination may have an event wait: the patience, or what a retry may take."""
        return max(self._patience, self._policy.max_delay)

    # --- What is settled.

    def _settle(self, part: Under, outcomes: list[Outcome]) -> Deferrals:
        """Keep what is settled; give back what is not."""
        deferred: Deferrals = []
        for item, outcome in zip(part.batch.items, outcomes, strict=True):
            if isinstance(outcome, Deferred):
                deferred.append((item, outcome))
            elif isinstance(outcome, Delivered):
                self._take(part)
                self._settlement.take(part.batch.only((item,)), outcome, part.attempts)
            else:
                self._keep(part, item, outcome)
        return deferred

    def _keep(self, part: Under, item: Item, outcome: Outcome) -> None:
        result = Result(item.position, item.id, outcome, part.attempts)
        self._settlement.results.append(result)

    def _give_up(self, part: Under, deferred: Deferrals, step: GiveUp, others: list[Under]) -> None:
        for item, outcome in deferred:
            text = f"{step.why}: {outcome.reason.text}"
            self._keep(part, item, replace(outcome, reason=replace(outcome.reason, text=text)))
        while self._ordered and others:
            left = others.pop()
            text = f"not sent: it would overtake an earlier event: {deferred[0][1].reason.text}"
            for item in left.batch.items:
                self._keep(left, item, Deferred(Reason(ReasonKind.NOT_SENT, text)))

    # --- What is looked through.

    def _take(self, part: Under) -> None:
        """Something was taken, so it is worth going on."""
        self._refused = 0
        if part.last is not None:
            self._extend()

    def _extend(self) -> None:
        """A search ends when nothing was taken for as long as the patience, or as one request may last."""
        span = max(self._patience, self._lane.destination.timeout)
        self._search_until = self._clock.monotonic() + span

    def _is_vain(self, part: Under) -> bool:
        """Whether a search has lasted for too long; then what it was for is given up on."""
        return part.last is not None and self._clock.monotonic() > self._search_until

    def _end(self, part: Under, parts: list[Under]) -> None:
        """Give up on what was not told apart."""
        assert part.last is not None
        assert part.met is not None
        self._give_up(part, [(item, part.met) for item in part.batch.items], part.last, parts)

    def _cut(self, part: Under, parts: list[Under]) -> None:
        """In halves; where many were refused, and nothing taken since, the last event goes first."""
        parts += part.halves()
        if self._refused >= MANY and not self._in_turn:
            _bring_forward_last(part, parts)

    def _is_refusal(self, part: Under, outcomes: list[Outcome]) -> bool:
        """Whether one event was refused by itself: sent alone, or named and nothing after it read."""
        first = outcomes[0]
        if isinstance(first, Deferred):
            return len(outcomes) == 1 and part.last is not None
        if not isinstance(first, Rejected) or first.reason.kind in _ALONE:
            return False
        return len(outcomes) == 1 or are_unread(outcomes[1:])

    def _doubt(self, part: Under, parts: list[Under]) -> list[Under]:
        """After a refusal: what is to be put off, where it is the destination that refuses all there is.

        That is held to be so when many were refused in a row, and the last event as well, until something
        is taken. Where order matters, the last one cannot go first, and each is asked of.
        """
        self._refused += 1
        if self._in_turn or self._refused < MANY:
            return []
        if self._refused == MANY:
            _bring_forward_last(part, parts)
            return []
        left = [one for one in parts if one.last is part.last]
        parts[:] = [one for one in parts if one.last is not part.last]
        if part.last is not None:
            for one in reversed(left):
                self._end(one, parts)
            return []
        return left

    # --- What may be the fault of one that breaks its destination.

    def _may_be_ones(self, part: Under, deferred: Deferrals, step: RetryAt | GiveUp) -> bool:
        """Whether a single event may be at fault for them all; asked when the retries are spent.

        Also, once, when none was counted: where only this batch is sent, over and over, it looks as if
        the whole destination was down.
        """
        if len(deferred) == 1 or deferred[0][1].reason.status != _BREAKS or self._ordered:
            return False
        return isinstance(step, GiveUp) or part.attempts == self._policy.max_retries + 1

    def _look(
        self, step: RetryAt | GiveUp, rest: Under, deferred: Deferrals, parts: list[Under]
    ) -> Flow[Deferrals]:
        """Send up to three events by themselves; if one is taken, the search for the others is on.

        If none is, the destination is down; then what is to be done with those that it gives back.
        """
        last = step if isinstance(step, GiveUp) else given_up(rest.attempts)
        self._extend()
        refused: list[tuple[Under, Deferrals]] = []
        asked: set[int] = set()
        taken = False
        for item in _samples(rest.batch, in_turn=self._in_turn):
            one = replace(rest, batch=rest.batch.only((item,)), last=last, met=deferred[0][1])
            others = rest.batch.only(other for other in rest.batch.items if other is not item)
            self.standing.between([*parts, rest.of(others), one])
            made = yield from attempt(self._lane, one.batch, self._clock, self._leave(one))
            if not made.sent and self._is_put_off(rest, made, parts):
                return []
            if not made.sent:
                break
            one.attempts += 1
            asked.add(item.position)
            still = self._settle(one, made.outcomes)
            if taken := not still:
                self._extend()
                break
            refused.append((one, still))
            if still[0][1].reason.status != _BREAKS:
                break
        if not taken and isinstance(step, RetryAt):
            return deferred
        for one, still in refused:
            self._give_up(one, still, last, parts)
        deferred = [left for left in deferred if left[0].position not in asked]
        if not taken:
            return deferred
        if deferred:
            batch = rest.batch.only(item for item, _ in deferred)
            parts.append(replace(rest, batch=batch, last=last, met=deferred[0][1]))
        return []

    def _is_put_off(self, rest: Under, made: Attempt, parts: list[Under]) -> bool:
        """Whether those of which none could be sent by itself now are to be asked of later."""
        return False


def are_unread(outcomes: list[Outcome]) -> bool:
    """Whether the destination stopped before these."""
    return all(isinstance(o, Deferred) and o.reason.kind is ReasonKind.UNREAD for o in outcomes)


def _bring_forward_last(part: Under, parts: list[Under]) -> None:
    """Of those that are looked through with `part`, the next one last, have the last event go next, alone."""
    at = next((at for at, one in enumerate(parts) if one.last is part.last), None)
    if at is None:
        return
    rear = parts[at]
    *before, last = rear.batch.items
    parts[at : at + 1] = [rear.of(rear.batch.only(before))] if before else []
    parts.append(rear.of(rear.batch.only((last,))))


def _samples(batch: Batch, *, in_turn: bool) -> list[Item]:
    """Three events that stand for a batch: its ends and its middle; where order matters, the first three."""
    items = batch.items
    if in_turn:
        return list(items[:3])
    return [items[at] for at in dict.fromkeys((0, len(items) - 1, len(items) // 2))]
