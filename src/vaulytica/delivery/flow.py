"""The one flow of delivering: attempt a batch, wait, retry what is deferred, until all is settled."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from msgspec.structs import replace

from vaulytica.delivery.attempt import Attempt, attempt
from vaulytica.delivery.batching import Batch
from vaulytica.delivery.lane import Lane
from vaulytica.delivery.outcome import (
    Deferred,
    Delivered,
    Reason,
    ReasonKind,
    Rejected,
    Result,
    are_all,
)
from vaulytica.delivery.policy import GiveUp, Random, RetryAt, RetryPolicy
from vaulytica.delivery.ports import Clock, Effect, Flow, turn, wait
from vaulytica.delivery.report import Settlement
from vaulytica.delivery.searching import MANY, Searching, are_unread
from vaulytica.delivery.standing import Deferrals, Under


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


_AT_ONCE = RetryAt(0.0)


class Delivering(Searching):
    """One delivery under way: its parts, each with its own history, and what is settled."""

    def flow(self, batch: Batch) -> Flow[Settlement]:
        """Part after part, until none is left."""
        parts = [self._begin(batch)]  # the next one last
        self.standing.between(parts)
        return self._attempts(parts)

    def _attempts(self, parts: list[Under]) -> Flow[Settlement]:
        while parts:
            self.standing.between(parts)
            part = parts.pop()
            if self._is_vain(part):
                self._end(part, parts)
                continue
            made = yield from attempt(self._lane, part.batch, self._clock, self._leave(part))
            first = made.outcomes[0]
            part.attempts += made.sent
            if not made.sent:
                self._not_sent(part, made, parts)
                continue
            if isinstance(first, Delivered) and are_all(made.outcomes, first):
                self._take(part)
                self._lane.bounds.took(made.size)
                self._settlement.take(part.batch, first, part.attempts)
            elif isinstance(first, Rejected) and first.reason.shared and len(part.batch) > 1:
                if first.reason.kind is ReasonKind.TOO_LARGE:
                    yield from turn(partial(self._lane.bounds.learn, made.size))
                part.answers = [(item, Deferred(first.reason)) for item in part.batch.items]
                self._cut(part, parts)
            elif deferred := self._settle(part, made.outcomes):
                yield from self._retry(part, deferred, made, parts)
            refused = parts and self._is_refusal(part, made.outcomes)
            if refused and (left := self._doubt(part, parts)):
                yield from self._retry_all(left, made, parts)
        return self._settlement

    def _begin(self, batch: Batch) -> Under:
        """The whole batch, with what went before."""
        return Under(batch)

    def _not_sent(self, part: Under, made: Attempt, parts: list[Under]) -> None:
        """It would have begun too late."""
        if part.last is not None:
            self._end(part, parts)
            return
        for item in part.batch.items:
            self._keep(part, item, made.outcomes[0])

    def _retry(
        self, part: Under, deferred: Deferrals, made: Attempt, parts: list[Under]
    ) -> Flow[None]:
        """Decide on what is deferred; what is to happen before the next part."""
        step = self._next_step(part, deferred, made)
        part.answers = deferred
        rest = part.of(part.batch.only(item for item, _ in deferred))
        if step is _AT_ONCE:
            # In smaller requests, where two in a row were refused for their first event.
            parts += rest.halves() if self._refused else [rest]
            return
        if self._may_be_ones(part, deferred, step):
            if rest.last is not None:
                self._cut(rest, parts)
                return
            deferred = yield from self._look(step, rest, deferred, parts)
        if not deferred:
            return
        if isinstance(step, GiveUp):
            self._give_up(rest, deferred, step, parts)
        else:
            yield from self._later(rest, step.delay, deferred[0][1], parts)

    def _retry_all(self, left: list[Under], made: Attempt, parts: list[Under]) -> Iterable[Effect]:
        """What the destination refuses as it does all there is: that counts as one attempt for all of it."""
        first = made.outcomes[0]
        assert isinstance(first, Rejected)
        text = f"refused, as were {MANY + 1} events each by itself: {first.reason.text}"
        put_off = Deferred(replace(first.reason, text=text, shared=False))
        items = [item for one in reversed(left) for item in one.batch.items]
        rest = left[-1].of(left[-1].batch.only(items))
        rest.answers = [(item, put_off) for item in items]
        step = self._next_step(rest, rest.answers, made)
        if isinstance(step, RetryAt):
            return self._later(rest, step.delay, put_off, parts)
        for one in reversed(left):
            self._give_up(one, [(item, put_off) for item in one.batch.items], step, parts)
        return ()

    def _later(
        self, rest: Under, delay: float, outcome: Deferred, parts: list[Under]
    ) -> Iterable[Effect]:
        """Have the rest tried again in so many seconds."""
        parts.append(rest)
        self.standing.between(parts)
        return wait(delay, self._why(rest, outcome))

    def _next_step(self, part: Under, deferred: Deferrals, made: Attempt) -> RetryAt | GiveUp:
        """When to try again; an attempt that the destination is excused for costs nothing."""
        fewer = len(deferred) < len(made.outcomes)  # so this comes to an end
        if fewer and are_unread([outcome for _, outcome in deferred]):
            return _AT_ONCE
        if part.last is not None:
            return part.last
        now = self._clock.monotonic()
        asked = max(outcome.retry_after or 0.0 for _, outcome in deferred)
        if not (made.excused and self._patience and self._policy.max_retries):
            part.charged += 1
            part.excused_since = None
            step = self._policy.next_step(part.charged, asked, now - self._started, self._rng)
            return self._borne(step, asked, self._longest)
        if part.excused_since is None:
            part.excused_since = now
        borne = now - part.excused_since
        if borne >= self._patience:
            by_proxy = deferred[0][1].reason.kind is ReasonKind.PROXY
            who = "the proxy was down" if by_proxy else "the destination was busy or down"
            return GiveUp(f"{who} for {borne:.0f} s, and the last attempt failed with")
        step = self._policy.next_step(0, asked, now - self._started, self._rng)
        return self._borne(step, asked, self._patience - borne)

    def _borne(self, step: RetryAt | GiveUp, asked: float, most: float) -> RetryAt | GiveUp:
        """The step, unless the destination asks to wait for longer than it is borne."""
        asked = min(asked, self._policy.retry_after_cap)
        if isinstance(step, GiveUp) or not self._patient or asked <= most:
            return step
        return GiveUp(
            f"the destination asks to wait for {asked:.0f} s, and is borne for {most:.0f} s at most; "
            "the last attempt failed with"
        )

    def _why(self, part: Under, outcome: Deferred) -> str:
        tried = f"attempt {part.attempts}"
        if part.charged == part.attempts:
            tried += f" of {self._policy.max_retries + 1}"
        return f"{self._lane.destination.name}: {tried}: {outcome.reason.text}"


def not_sent(batch: Batch, why: str) -> Settlement:
    """The settlement of a batch for which no request was made."""
    deferred = Deferred(Reason(ReasonKind.NOT_SENT, f"not sent: {why}"))
    return Settlement([Result(item.position, item.id, deferred, 0) for item in batch.items])
