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
    Reason,
    ReasonKind,
    Rejected,
    Result,
)
from vaulytica.delivery.policy import GiveUp, Random, RetryAt, RetryPolicy, given_up
from vaulytica.delivery.ports import Clock, Effect, Flow, turn, wait
from vaulytica.delivery.report import Settlement
from vaulytica.delivery.searching import (
    BREAKS,
    MANY,
    Means,
    Search,
    are_unread,
    bring_forward_last,
    is_refusal,
)
from vaulytica.delivery.settling import Settling
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


class Delivering(Settling):
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
            made = yield from attempt(self._lane, part.batch, self._clock, self._leave(part))
            first = made.outcomes[0]
            part.attempts += made.sent
            if not made.sent:
                self._not_sent(part, made, parts)
                continue
            if isinstance(first, Rejected) and first.reason.shared and len(part.batch) > 1:
                if first.reason.kind is ReasonKind.TOO_LARGE:
                    yield from turn(partial(self._lane.bounds.learn, made.size))
                part.answers = [(item, Deferred(first.reason)) for item in part.batch.items]
                self._cut(part, parts)
            elif deferred := self._settle_all(part, made):
                yield from self._retry(part, deferred, made, parts)
            refused = parts and is_refusal(made.outcomes)
            if refused and (left := self._doubt(parts)):
                yield from self._retry_all(left, made, parts)
        return self._settlement

    def _begin(self, batch: Batch) -> Under:
        """The whole batch, with what went before."""
        return Under(batch)

    def _not_sent(self, part: Under, made: Attempt, parts: list[Under]) -> None:
        """It would have begun too late."""
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
            yield from self._search(step, rest, deferred, parts)
        elif isinstance(step, GiveUp):
            self._give_up(rest, deferred, step, parts)
        else:
            yield from self._later(rest, step.delay, deferred[0][1], parts)

    # --- What may be the fault of one that breaks its destination.

    def _may_be_ones(self, part: Under, deferred: Deferrals, step: RetryAt | GiveUp) -> bool:
        """Whether a single event may be at fault for them all; asked when the retries are spent.

        Also, once, when none was counted: where only this batch is sent, over and over, it looks as if
        the whole destination was down.
        """
        if len(deferred) == 1 or deferred[0][1].reason.status != BREAKS or self._ordered:
            return False
        return isinstance(step, GiveUp) or part.attempts == self._policy.max_retries + 1

    def _search(
        self, step: RetryAt | GiveUp, rest: Under, deferred: Deferrals, parts: list[Under]
    ) -> Flow[None]:
        """Have it found out; what is not told apart is no worse off for that."""
        last = step if isinstance(step, GiveUp) else given_up(rest.attempts)
        search = Search(self._means(parts), rest, last)
        if not (left := (yield from search.flow())):
            return
        rest = rest.joined(left)
        if search.taken:  # it was another's fault, or is a new one
            rest.charged, rest.excused_since = 0, None
            left_to_it = self._until - self._clock.monotonic()
            delay = self._policy.delay(1)
            delay = delay if delay < left_to_it else 0.0  # told at once that it is too late
            yield from self._later(rest, delay, deferred[0][1], parts)
        elif isinstance(step, RetryAt):
            yield from self._later(rest, step.delay, deferred[0][1], parts)
        elif search.is_evident or not self._is_left(rest, search.wait, parts):
            met = deferred[0][1]
            self._give_up(rest, [(item, met) for item in rest.batch.items], step, parts)

    def _means(self, parts: list[Under]) -> Means:
        return Means(
            lane=self._lane,
            clock=self._clock,
            policy=self._policy,
            settle=self._settle_all,
            give_up=lambda part, deferred, step: self._give_up(part, deferred, step, parts),
            is_stopped=self._is_stopped,
            between=lambda left: self.standing.between([*parts, *left]),
            span=self._span,
            until=self._until,
            in_turn=self._in_turn,
        )

    @property
    def _span(self) -> float:
        """Seconds that a search goes on while nothing is taken: the patience, or one request's time."""
        return max(self._patience, self._lane.destination.timeout)

    def _is_stopped(self) -> bool:
        """Whether nothing more should be sent."""
        return False

    def _is_left(self, rest: Under, wait: float, parts: list[Under]) -> bool:
        """Whether those of which nothing is known, as the destination was busy, are left for later."""
        return False

    # --- What is refused as a whole, or by name.

    def _cut(self, part: Under, parts: list[Under]) -> None:
        """In halves; where many were refused, and nothing taken since, the last event goes first."""
        parts += part.halves()
        if self._refused >= MANY and not self._in_turn:
            bring_forward_last(parts)

    def _doubt(self, parts: list[Under]) -> list[Under]:
        """After a refusal: what is to be put off, where it is the destination that refuses all there is.

        That is held to be so when many were refused in a row, and the last event as well, until something
        is taken. Where order matters, the last one cannot go first, and each is asked of.
        """
        self._refused += 1
        if self._in_turn or self._refused < MANY:
            return []
        if self._refused == MANY:
            bring_forward_last(parts)
            return []
        left = list(parts)
        parts.clear()
        return left

    def _retry_all(self, left: list[Under], made: Attempt, parts: list[Under]) -> Iterable[Effect]:
        """What the destination refuses as it does all there is: that counts as one attempt for all of it."""
        first = made.outcomes[0]
        assert isinstance(first, Rejected)
        text = f"refused, as were {MANY + 1} events each by itself: {first.reason.text}"
        put_off = Deferred(replace(first.reason, text=text, shared=False))
        rest = left[-1].joined(left)
        rest.answers = [(item, put_off) for item in rest.batch.items]
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
