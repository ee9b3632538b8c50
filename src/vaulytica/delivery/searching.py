"""Searching: which events of a batch break their destination, and whether it is the destination that is down.

A batch that was answered with 500 is cut in halves, and these again, until what fails stands alone. What
tells the two apart is whether anything is taken before, and after. Theory: docs/adr/0024-searching.md.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from vaulytica.delivery.attempt import Attempt, Leave, attempt
from vaulytica.delivery.batching import Batch, Item
from vaulytica.delivery.lane import Lane
from vaulytica.delivery.outcome import Deferred, Delivered, Outcome, ReasonKind, Rejected
from vaulytica.delivery.policy import GiveUp, RetryPolicy
from vaulytica.delivery.ports import Clock, Flow, turn, wait
from vaulytica.delivery.standing import Deferrals, Under

MANY = 32  # events refused by themselves, in a row, before it is asked whether any is taken
BREAKS = 500  # the status that a single event may provoke for its whole batch
_ALONE = frozenset({ReasonKind.TOO_LARGE})  # what is told of each event by itself all the same
_ROUNDS = 3  # times at most that an event which failed alone is tried alone again
_PAUSE = 5.0  # seconds at most between two rounds


class Means(msgspec.Struct, frozen=True):
    """What a search is done with. `span`: seconds that it goes on at most while nothing is taken.

    `until`: when an attempt may begin at the latest. `in_turn`: nothing goes before what came earlier.
    `between`: is told of what is left, before a request is made.
    """

    lane: Lane
    clock: Clock
    policy: RetryPolicy
    settle: Callable[[Under, Attempt], Deferrals]
    give_up: Callable[[Under, Deferrals, GiveUp], None]
    is_stopped: Callable[[], bool]
    between: Callable[[list[Under]], None]
    span: float
    until: float
    in_turn: bool


class Search:
    """For the events at fault among those of `rest`. `taken`: something was, so the destination is not down.

    `is_evident`: nothing was, and each of the samples was answered with 500. `wait`: for so many seconds
    nothing may be sent. Neither taken nor evident: nothing is known.
    """

    def __init__(self, means: Means, rest: Under, last: GiveUp) -> None:
        self._means, self._last = means, last
        samples = _samples(rest.batch, in_turn=means.in_turn)
        chosen = {item.position for item in samples}
        others = [item for item in rest.batch.items if item.position not in chosen]
        self._left = [rest.of(rest.batch.only(others))] if others else []
        self._left += [rest.of(rest.batch.only((item,))) for item in reversed(samples)]
        self._samples = len(samples)
        self._alone: list[tuple[Under, Deferrals]] = []  # events that failed so
        # By position: something was taken before these failed, and after; how often they did.
        self._around: set[int] = set()
        self._times: dict[int, int] = {}
        self._in_a_row = self._busy = 0
        self._rounds = min(means.policy.max_retries, _ROUNDS)
        self._until = means.clock.monotonic() + means.span
        self.taken = self.is_evident = False
        self.wait = 0.0

    def flow(self) -> Flow[list[Under]]:
        """Settle all that can be told; what is left is to be decided on by who asked."""
        yield from self._go_through(first=True)
        for again in range(1, self._rounds + 1):
            if self._left or not self.taken or self._means.in_turn or not self._alone:
                break
            if not (yield from self._has_paused(again)):
                break
            self._left = [one for one, _ in reversed(self._alone)]
            self._alone = []
            yield from self._go_through(first=False)
        undecided = [*self._left, *(one for one, _ in self._alone)]
        if self._left or not self.taken:
            return undecided
        is_one = len(self._alone) == 1
        kept: list[Under] = []
        for one, met in self._alone:
            if is_one or one.batch.items[0].position in self._around:
                self._means.give_up(one, met, self._last)
            else:
                kept.append(one)  # the destination may have gone down since
        return kept

    def _go_through(self, *, first: bool) -> Flow[None]:
        """Part after part, until none is left or it is in vain."""
        while self._left:
            if self._means.clock.monotonic() > self._until:
                self.is_evident = not self.taken and not self._busy and bool(self._alone)
                return
            self._tell()
            part = self._left.pop()
            made = yield from attempt(
                self._means.lane, part.batch, self._means.clock, self._leave()
            )
            if not made.sent:
                self._left.append(part)
                self.wait = made.wait
                return
            part.attempts += 1
            if not self._busy:
                self._until += made.held  # its own rate limit is nobody's fault
            before = self._in_a_row
            if not (yield from self._is_worth_it(part, made)):
                return
            if not first or self._means.in_turn or self._in_a_row <= before:
                continue
            if self._in_a_row > MANY:
                return
            if self._in_a_row == MANY:
                bring_forward_last(self._left)

    def _is_worth_it(self, part: Under, made: Attempt) -> Flow[bool]:
        """Heed an answer; whether to go on."""
        first = made.outcomes[0]
        if isinstance(first, Rejected) and first.reason.shared and len(part.batch) > 1:
            if first.reason.kind is ReasonKind.TOO_LARGE:
                yield from turn(lambda: self._means.lane.bounds.learn(made.size))
            part.answers = [(item, Deferred(first.reason)) for item in part.batch.items]
            self._left += part.halves()
            return True
        deferred = self._means.settle(part, made)
        part.answers = deferred
        rest = part.of(part.batch.only(item for item, _ in deferred))
        if self._means.is_stopped():
            self._left += [rest] if deferred else []
            return False
        if len(deferred) < len(made.outcomes):
            self._take(is_delivered=any(isinstance(o, Delivered) for o in made.outcomes))
            self._left += rest.halves() if deferred else []
            return True
        if any(outcome.reason.status != BREAKS for _, outcome in deferred):
            self._left.append(rest)
            return (yield from self._has_waited(deferred))
        self._busy = 0
        if len(rest.batch) > 1:
            self._left += rest.halves()
            return True
        return (yield from self._failed_alone(rest, deferred))

    def _failed_alone(self, one: Under, met: Deferrals) -> Flow[bool]:
        position = one.batch.items[0].position
        times = self._times[position] = self._times.get(position, 0) + 1
        if self._means.in_turn and times <= self._rounds:
            self._left.append(one)
            if (yield from self._has_paused(times)):
                return True
            self._left.pop()
        self._in_a_row += 1
        self._alone.append((one, met))
        self.is_evident = not self.taken and len(self._alone) == self._samples
        return not self.is_evident

    def _has_waited(self, deferred: Deferrals) -> Flow[bool]:
        """Busy or out of reach: that says nothing of the event, which is tried again after a while."""
        self._busy += 1
        policy = self._means.policy
        asked = max(outcome.retry_after or 0.0 for _, outcome in deferred)
        delay = max(policy.delay(self._busy), min(asked, policy.retry_after_cap))
        if self._means.clock.monotonic() + delay > min(self._until, self._means.until):
            self.wait = asked
            return False
        self._tell()
        yield from wait(delay, f"{self._means.lane.destination.name}: busy")
        return True

    def _take(self, *, is_delivered: bool) -> None:
        """Something was taken, or judged: so it was before and after those that failed alone in between.

        What failed before the first time may have met the end of an outage, and is tried again. In order
        it cannot be: one that came later was taken.
        """
        if self._means.in_turn:
            for one, met in self._alone:
                self._means.give_up(one, met, self._last)
            self._alone = []
        elif self.taken:
            self._around |= {one.batch.items[0].position for one, _ in self._alone}
        else:
            self._left += [one for one, _ in reversed(self._alone)]
            self._alone = []
        self.taken = True
        self._busy = 0
        self._in_a_row = 0 if is_delivered else self._in_a_row + 1
        self._until = self._means.clock.monotonic() + self._means.span

    def _leave(self) -> Leave:
        """It waits for no breaker: it finds out itself what a probe would, unless it was told to slow down."""
        left = max(0.0, self._until - self._means.clock.monotonic())
        busy, until = self._busy > 0, self._means.until
        return Leave(
            patient=busy,
            longest=left,
            until=min(until, self._until) if busy else until,
            again=True,
            quiet=not busy,
        )

    def _tell(self) -> None:
        self._means.between([*(one for one, _ in self._alone), *self._left])

    def _has_paused(self, times: int) -> Flow[bool]:
        """Before an event is tried alone again; not where that would be past the deadline."""
        delay = min(self._means.policy.delay(times), _PAUSE)
        if self._means.clock.monotonic() + delay > self._means.until:
            return False
        why = f"{self._means.lane.destination.name}: an event of a batch failed alone"
        self._tell()
        yield from wait(delay, why)
        self._until += delay
        return True


def are_unread(outcomes: list[Outcome]) -> bool:
    """Whether the destination stopped before these."""
    return all(isinstance(o, Deferred) and o.reason.kind is ReasonKind.UNREAD for o in outcomes)


def is_refusal(outcomes: list[Outcome]) -> bool:
    """Whether one event was refused by itself: sent alone, or named and nothing after it read."""
    first = outcomes[0]
    if not isinstance(first, Rejected) or first.reason.kind in _ALONE:
        return False
    return len(outcomes) == 1 or are_unread(outcomes[1:])


def bring_forward_last(parts: list[Under]) -> None:
    """Of the parts, the next one last, have the last event go next, alone."""
    if parts:
        rear = parts.pop(0)
        *before, last = rear.batch.items
        parts[:0] = [rear.of(rear.batch.only(before))] if before else []
        parts.append(rear.of(rear.batch.only((last,))))


def _samples(batch: Batch, *, in_turn: bool) -> list[Item]:
    """Three events that stand for a batch: its ends and its middle; where order matters, the first three."""
    items = batch.items
    if in_turn:
        return list(items[:3])
    return [items[at] for at in dict.fromkeys((0, len(items) - 1, len(items) // 2))]
