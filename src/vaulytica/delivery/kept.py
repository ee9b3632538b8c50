"""Delivering what is kept: the same flow, but where it would wait, the rest goes back to where it is kept.

All times are spans, in seconds: whoever keeps the rest may have a clock of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf

import msgspec
from msgspec.structs import replace

from vaulytica.delivery.attempt import Attempt, Leave
from vaulytica.delivery.batching import Batch, Item
from vaulytica.delivery.flow import Delivering
from vaulytica.delivery.lane import Lane
from vaulytica.delivery.outcome import Deferred, Outcome, ReasonKind, Rejected, are_all
from vaulytica.delivery.policy import GiveUp, Random, RetryAt
from vaulytica.delivery.ports import Clock, Effect, Flow
from vaulytica.delivery.report import Settlement
from vaulytica.delivery.run import DownDetector
from vaulytica.delivery.standing import Deferrals, Failed, Under


class Past(msgspec.Struct, frozen=True):
    """What went before: attempts, those of them that count, how long ago the events were kept.

    `excused`: how long ago their destination was first found busy or down; None if it is not.
    """

    attempts: int = 0
    charged: int = 0
    age: float = 0.0
    excused: float | None = None


class Later(msgspec.Struct, frozen=True):
    """Events that are to be tried again in `delay` seconds, and their past by then.

    `attempts` are those made now, `tried` what came of them.
    """

    items: tuple[Item, ...]
    delay: float
    attempts: int = 0
    charged: int = 0
    excused: float | None = None
    tried: tuple[Failed, ...] = ()


class Redelivery(msgspec.Struct):
    """What became of events that are kept: settled, or to be tried again later.

    What the settlement lists as not delivered is given up on; `tried` has its attempts, by position.
    `down`: why nothing more should be sent to the destination, until somebody has looked. `wait`: for so
    many seconds nothing should be, as the destination asked, or is not answering.
    """

    settlement: Settlement
    later: list[Later]
    tried: dict[int, tuple[Failed, ...]]
    down: str | None = None
    wait: float = 0.0


# Seconds to wait for a turn; what would have to wait for longer does so where it is kept.
_TURN = 5.0
_DOWN = 60.0  # seconds at most until what was refused by a destination as a whole is due again


def redeliver(
    lane: Lane,
    batches: Sequence[Batch],
    past: Past,
    clock: Clock,
    rng: Random,
    *,
    ordered: bool = False,
) -> Flow[Redelivery]:
    """Attempt these batches, one after the other; what fails is put off, by the destination's policy.

    `ordered`: when something is put off, so is all that follows. A fault that is the destination's own
    (credentials, certificate, 410) costs no event a retry, and sets `down`. What a wrong URL gets (404,
    a redirect…) is believed the second time: if other events go through meanwhile, it is the event.
    """
    delivering = _Redelivering(lane, past, clock, rng, ordered=ordered)
    for batch in batches:
        made = delivering.made
        if made.down is not None or made.wait or (ordered and made.later):
            delivering.put_off(batch)
        else:
            yield from delivering.flow(batch)
    return delivering.made


class _Redelivering(Delivering):
    def __init__(self, lane: Lane, past: Past, clock: Clock, rng: Random, *, ordered: bool) -> None:
        super().__init__(
            lane,
            lane.destination.retry,
            clock,
            rng,
            patient=True,
            ordered=False,  # what is given up on is kept apart, and holds up nobody
            started=clock.monotonic() - past.age,
        )
        self._past = past
        self._in_turn = self._holds_up = ordered
        self.made = Redelivery(self._settlement, [], {})

    def _begin(self, batch: Batch) -> Under:
        past = self._past
        excused = None if past.excused is None else self._clock.monotonic() - past.excused
        return Under(batch, past.attempts, past.charged, excused)

    def put_off(self, batch: Batch) -> None:
        """As far as what it is to wait for."""
        self._put_off(self._begin(batch), self.made.later[-1].delay)

    def _put_off(self, part: Under, delay: float) -> None:
        since = part.excused_since
        self.made.later.append(
            Later(
                part.batch.items,
                delay,
                part.attempts - self._past.attempts,
                part.charged,
                None if since is None else self._clock.monotonic() - since,
                part.tried,
            )
        )

    def _leave(self, part: Under) -> Leave:
        leave = super()._leave(part)
        return replace(leave, longest=inf, until=min(leave.until, self._clock.monotonic() + _TURN))

    def _not_sent(self, part: Under, made: Attempt, parts: list[Under]) -> None:
        deadline = self._policy.deadline
        begins = self._clock.monotonic() + made.wait - self._started
        if deadline is not None and begins > deadline:
            super()._not_sent(part, made, parts)
            return
        self.made.wait = max(self.made.wait, made.wait)
        for left in (part, *reversed(parts)):
            self._put_off(left, made.wait)
        parts.clear()

    @property
    def _span(self) -> float:
        return max(_DOWN, self._lane.destination.timeout)  # it holds a slot

    def _is_stopped(self) -> bool:
        return self.made.down is not None

    def _is_left(self, rest: Under, wait: float, parts: list[Under]) -> bool:
        rest.charged = min(rest.charged, self._policy.max_retries)  # there is one attempt more
        self.made.wait = max(self.made.wait, wait)
        self._put_off(rest, max(wait, self._policy.delay(1)))
        self._hold_up(parts)
        return True

    def _settle(self, part: Under, outcomes: list[Outcome]) -> Deferrals:
        first = outcomes[0]
        if isinstance(first, Rejected) and are_all(outcomes, first):
            reason = first.reason
            perhaps = DownDetector.perhaps(reason)
            if DownDetector.at_once(reason) or (perhaps and self._lane.doubted):
                self.made.down = reason.text
            if self.made.down is not None or (perhaps and part.attempts == 1):
                outcomes = [Deferred(reason)] * len(outcomes)
        deferred = super()._settle(part, outcomes)
        if deferred:
            part.tried += (Failed(self._clock.time(), deferred[0][1].reason),)
        return deferred

    def _next_step(self, part: Under, deferred: Deferrals, made: Attempt) -> RetryAt | GiveUp:
        if self.made.down is not None:
            return RetryAt(min(self._policy.max_delay, _DOWN))
        return super()._next_step(part, deferred, made)

    def _borne(self, step: RetryAt | GiveUp, asked: float, most: float) -> RetryAt | GiveUp:
        return step  # what is kept can wait

    def _later(
        self, rest: Under, delay: float, outcome: Deferred, parts: list[Under]
    ) -> Iterable[Effect]:
        self._put_off(rest, delay)
        self._hold_up(parts)
        return ()

    def _hold_up(self, parts: list[Under]) -> None:
        """Put off what may not go before what was put off last, or may not go at all."""
        if self._holds_up or self.made.down is not None:
            delay = self.made.later[-1].delay
            while parts:
                self._put_off(parts.pop(), delay)

    def _keep(self, part: Under, item: Item, outcome: Outcome) -> None:
        super()._keep(part, item, outcome)
        result = self._settlement.results[-1]
        result = replace(result, attempts=result.attempts - self._past.attempts)
        self._settlement.results[-1] = result
        reason = result.reason
        assert reason is not None
        before = part.tried
        if isinstance(outcome, Deferred) and reason.kind is not ReasonKind.NOT_SENT:
            before = before[:-1]  # the same, but that it now says why there will be no other
        self.made.tried[item.position] = (*before, Failed(self._clock.time(), reason))
