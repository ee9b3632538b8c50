"""Settling: what is settled of a delivery's parts, and for how long the others are borne."""

from __future__ import annotations

from math import inf

from msgspec.structs import replace

from vaulytica.delivery.attempt import Attempt, Leave
from vaulytica.delivery.batching import Item
from vaulytica.delivery.lane import Lane
from vaulytica.delivery.outcome import (
    Deferred,
    Delivered,
    Outcome,
    Reason,
    ReasonKind,
    Result,
    are_all,
)
from vaulytica.delivery.policy import GiveUp, Random, RetryPolicy
from vaulytica.delivery.ports import Clock
from vaulytica.delivery.report import Settlement
from vaulytica.delivery.standing import Deferrals, Standing, Under


class Settling:
    """A delivery's clock, policy and patience; and what is settled so far."""

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

    def _leave(self, part: Under) -> Leave:
        policy, again, until = self._policy, part.attempts > 0, self._until
        patient, held = self._patient, self._patient or policy.max_retries > 0
        return Leave(patient, held, self._longest if patient else inf, until, again)

    @property
    def _until(self) -> float:
        """When an attempt may begin at the latest."""
        deadline = self._policy.deadline
        return inf if deadline is None else self._started + deadline

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
                self._refused = 0
                batch = part.batch.only((item,))
                self._settlement.take(batch, outcome, part.asked(item.position))
            else:
                self._keep(part, item, outcome)
        return deferred

    def _settle_all(self, part: Under, made: Attempt) -> Deferrals:
        """The same of an answer; what is delivered whole stays together."""
        first = made.outcomes[0]
        if not isinstance(first, Delivered) or not are_all(made.outcomes, first):
            return self._settle(part, made.outcomes)
        self._took(part, first)
        self._lane.bounds.took(made.size)
        return []

    def _took(self, part: Under, outcome: Delivered) -> None:
        """All of it is delivered."""
        self._refused = 0
        if not part.more:
            self._settlement.take(part.batch, outcome, part.attempts)
            return
        some: dict[int, list[Item]] = {}
        for item in part.batch.items:
            some.setdefault(part.asked(item.position), []).append(item)
        for attempts, items in some.items():
            self._settlement.take(part.batch.only(items), outcome, attempts)

    def _keep(self, part: Under, item: Item, outcome: Outcome) -> None:
        result = Result(item.position, item.id, outcome, part.asked(item.position))
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
