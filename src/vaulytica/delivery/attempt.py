"""Attempt: one request for a batch, when its pace allows, and what its answer means for each event."""

from __future__ import annotations

from math import inf

import msgspec
from msgspec.structs import replace

from vaulytica.delivery.batching import Batch
from vaulytica.delivery.destination import Destination
from vaulytica.delivery.lane import Lane
from vaulytica.delivery.outcome import (
    MAX_WORDS,
    Deferred,
    Delivered,
    Outcome,
    Reason,
    ReasonKind,
    Rejected,
    are_all,
)
from vaulytica.delivery.pace import Heard, Pace, Signal
from vaulytica.delivery.ports import Clock, Flow, Turn
from vaulytica.delivery.request import Response
from vaulytica.errors import AuthFailure, FailureKind, TransportFailure, one_line


class Attempt(msgspec.Struct):
    """One request made for a batch: what became of each event, and of how many bytes the request was.

    `excused`: the fault, if any, is the whole destination's, which is busy or down. Not `sent`: it would
    have begun too late, after `wait` seconds, and was not made. `held`: seconds that it waited for its turn.
    """

    outcomes: list[Outcome]
    size: int
    excused: bool = False
    response: Response | None = None
    sent: bool = True
    wait: float = 0.0
    held: float = 0.0


class Leave(msgspec.Struct, frozen=True):
    """What an attempt's caller allows for: see `Pace.admit`; and `until` when it may begin at the latest.

    `longest`: seconds that it waits at most because the destination asked for it. `again`: this batch
    has been tried before. `quiet`: that an event fails so tells nothing of the destination.
    """

    patient: bool = True
    held: bool = True
    longest: float = inf
    until: float = inf
    again: bool = False
    quiet: bool = False


def attempt(lane: Lane, batch: Batch, clock: Clock, leave: Leave = Leave()) -> Flow[Attempt]:
    """One request for the batch, when its pace allows, signed anew; and what its answer means."""
    destination, pace = lane.destination, lane.pace
    size = lane.bounds.size(batch.parts)
    made = Attempt([], size)
    began = clock.monotonic()
    # A single event in calm times: two turns less.
    alone = not leave.patient and pace.is_calm(began)
    if not alone:
        yield Turn(lambda: _ask(made, pace, len(batch), clock.monotonic(), leave))
        if not made.sent:
            made.outcomes *= len(batch)
            return made
        asked, began = began, clock.monotonic()
        made.held = began - asked
    signal: Signal | None = None
    try:
        # Not made before, and kept by nobody: it holds the whole batch once more.
        response = yield from destination.auth.flow(destination.request(batch), clock.time())
        made.response = response
        made.outcomes = destination.format.settle(response, batch)
        _tell(made.outcomes, response, destination, clock)
        signal = _signal(made.outcomes, clock.monotonic() - began, leave)
    except (TransportFailure, AuthFailure) as failure:
        made.outcomes = [_outcome_of_failure(failure, destination)] * len(batch)
        if (heard := _heard_of_failure(failure)) is not None:
            signal = Signal(heard, clock.monotonic() - began, again=leave.again)
    finally:
        if not made.outcomes and not alone:  # it was stopped, and will have no more turns
            pace.leave()
    if signal is None:
        if not alone:
            yield Turn(pace.leave)
        return made
    if not alone or signal.heard is not Heard.WELL:
        yield Turn(lambda: _heed(made, pace, clock.monotonic(), signal, admitted=not alone))
    format = destination.confirmed
    if format is not None and made.response is not None and signal.delivered:
        made.outcomes = yield from format.confirm(lane, made.response, batch, clock)
        _tell(made.outcomes, made.response, destination, clock)
    return made


def _ask(made: Attempt, pace: Pace, events: int, now: float, leave: Leave) -> float:
    """Seconds to wait before the attempt may begin; if that is too long, it is not sent."""
    wait = pace.admit(
        now, events, made.size, patient=leave.patient, held=leave.held, again=leave.again
    )
    if not wait:
        pace.retries += leave.again
        return 0.0
    hold = pace.hold(now) if leave.held else 0.0
    if hold > leave.longest:
        text = (
            f"not sent: the destination asks to wait for {hold:.0f} s more, longer than it is borne"
        )
        made.outcomes = [Deferred(Reason(ReasonKind.NOT_SENT, text), hold)]
    elif leave.until < now + wait < inf:
        text = f"not sent: it would have to wait for {wait:.1f} s, past the deadline"
        made.outcomes = [Deferred(Reason(ReasonKind.NOT_SENT, text))]
    else:
        return wait
    made.sent, made.wait = False, wait
    return 0.0


def _heed(made: Attempt, pace: Pace, now: float, signal: Signal, *, admitted: bool) -> float:
    made.excused = pace.heed(now, signal, admitted=admitted)
    return 0.0


_FAILURE_REASONS = {
    FailureKind.TLS: ReasonKind.TLS,
    FailureKind.TIMEOUT: ReasonKind.TIMEOUT,
    FailureKind.REQUEST: ReasonKind.REJECTED,
    FailureKind.EGRESS: ReasonKind.EGRESS,
}


def _outcome_of_failure(
    failure: TransportFailure | AuthFailure, destination: Destination
) -> Outcome:
    if _is_a_proxys(failure):
        kind = ReasonKind.PROXY if failure.retryable else ReasonKind.AUTH
    elif isinstance(failure, AuthFailure):
        refused = failure.cause is FailureKind.EGRESS
        kind = ReasonKind.EGRESS if refused else ReasonKind.AUTH
    else:
        kind = _FAILURE_REASONS.get(failure.kind, ReasonKind.UNREACHABLE)
    reason = Reason(kind, destination.redact(one_line(str(failure))))
    if not failure.retryable:
        return Rejected(reason)
    return Deferred(reason, getattr(failure, "retry_after", None))


def _is_a_proxys(failure: TransportFailure | AuthFailure) -> bool:
    where = failure.cause if isinstance(failure, AuthFailure) else failure.kind
    return where is FailureKind.PROXY


def _heard_of_failure(failure: TransportFailure | AuthFailure) -> Heard | None:
    """What no answer tells of the destination: nothing, where no token was had, or our own policy refused."""
    if _is_a_proxys(failure) and failure.retryable:
        return Heard.PROXY
    if isinstance(failure, AuthFailure) or failure.kind is FailureKind.EGRESS:
        return None
    return Heard.UNREACHED if failure.kind in _NOT_REACHED else Heard.FAILED


def _tell(
    outcomes: list[Outcome], response: Response, destination: Destination, clock: Clock
) -> None:
    """Make the outcomes such as may be shown; formats often give many events the very same one."""
    first = outcomes[0]
    if isinstance(first, Delivered) and first.note is None and are_all(outcomes, first):
        return
    told: dict[int, Outcome] = {}
    for position, outcome in enumerate(outcomes):
        if isinstance(outcome, Delivered) and outcome.note is None:
            continue
        if (known := told.get(id(outcome))) is None:
            known = told[id(outcome)] = _told(outcome, response, destination, clock)
        outcomes[position] = known


def _told(outcome: Outcome, response: Response, destination: Destination, clock: Clock) -> Outcome:
    """The outcome as it may be shown: no secrets in it, not too long, and with the wait asked for."""
    if isinstance(outcome, Delivered):
        return replace(outcome, note=_shown(outcome.note or "", destination))
    reason = replace(outcome.reason, text=_shown(outcome.reason.text, destination))
    if isinstance(outcome, Rejected):
        return Rejected(reason)
    asked = outcome.retry_after
    return Deferred(reason, response.retry_after(clock.time()) if asked is None else asked)


def _shown(text: str, destination: Destination) -> str:
    # Redact first: a cut through a secret would leave half of it unrecognised.
    text = destination.redact(text)
    return text if len(text) <= MAX_WORDS else f"{text[:MAX_WORDS]}…"


_NOT_REACHED = frozenset({FailureKind.RESOLVE, FailureKind.CONNECT, FailureKind.PROXY})
_DESTINATIONS_FAULTS = frozenset({ReasonKind.SERVER, ReasonKind.UNREACHABLE, ReasonKind.TIMEOUT})


def _signal(outcomes: list[Outcome], latency: float, leave: Leave) -> Signal | None:
    """What an answer tells of the destination, if anything."""
    first = outcomes[0]
    if isinstance(first, Delivered) and are_all(outcomes, first):
        return Signal(
            Heard.BUSY if first.busy else Heard.WELL, latency, len(outcomes), again=leave.again
        )
    delivered = sum(isinstance(outcome, Delivered) for outcome in outcomes)
    deferred = [outcome for outcome in outcomes if isinstance(outcome, Deferred)]
    waits = [outcome.retry_after for outcome in deferred if outcome.retry_after]
    kinds = {outcome.reason.kind for outcome in deferred}
    heard = Heard.WELL
    if ReasonKind.THROTTLED in kinds or any(getattr(o, "busy", False) for o in outcomes):
        heard = Heard.BUSY
    elif (
        kinds & _DESTINATIONS_FAULTS and not delivered
    ):  # else it has trouble with some events only
        heard = Heard.FAILED
        if leave.quiet and not waits:
            return None
    return Signal(heard, latency, delivered, max(waits, default=None), leave.again)
