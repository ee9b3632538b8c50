"""The one flow of delivering: attempt a batch, wait, retry what is deferred, until all is settled."""

from __future__ import annotations

from msgspec.structs import replace

from vaulytica.delivery.batching import Batch, Item
from vaulytica.delivery.destination import Destination
from vaulytica.delivery.outcome import (
    MAX_WORDS,
    Deferred,
    Delivered,
    Outcome,
    Reason,
    ReasonKind,
    Rejected,
    Result,
)
from vaulytica.delivery.policy import GiveUp, Random, RetryPolicy
from vaulytica.delivery.ports import Clock, Flow, wait
from vaulytica.delivery.request import Response
from vaulytica.errors import AuthFailure, FailureKind, TransportFailure, one_line


def attempt(
    destination: Destination, batch: Batch, clock: Clock, answers: list[Response] | None = None
) -> Flow[list[Outcome]]:
    """One request for the batch, signed anew, and what its answer means for each event.

    The answer itself goes into `answers`, for who wants to look at it.
    """
    try:
        request = destination.request(batch)
        response = yield from destination.auth.flow(request, clock.time())
    except TransportFailure as failure:
        return [_outcome_of_failure(failure, destination)] * len(batch)
    except AuthFailure as failure:
        return [_outcome_of_no_credentials(failure, destination)] * len(batch)
    if answers is not None:
        answers.append(response)
    outcomes = destination.format.settle(response, batch)
    for position, outcome in enumerate(outcomes):
        if not isinstance(outcome, Delivered):
            outcomes[position] = _told(outcome, response, destination, clock)
    return outcomes


def deliver(
    destination: Destination,
    batch: Batch,
    clock: Clock,
    rng: Random,
    retry: RetryPolicy | None = None,
) -> Flow[list[Result]]:
    """Attempt until every event is delivered, rejected, or given up on; one result for each event.

    `retry` takes the place of the destination's own policy, as for a test of the connection.
    """
    policy = retry or destination.retry
    started = clock.monotonic()
    results: list[Result] = []
    attempts = 0
    while True:
        outcomes = yield from attempt(destination, batch, clock)
        attempts += 1
        deferred: list[tuple[Item, Deferred]] = []
        for item, outcome in zip(batch.items, outcomes, strict=True):
            if isinstance(outcome, Deferred):
                deferred.append((item, outcome))
            else:
                results.append(Result(item.position, item.event.id, outcome, attempts))
        if not deferred:
            return results
        asked = max((outcome.retry_after or 0.0 for _, outcome in deferred), default=0.0)
        step = policy.next_step(attempts, asked, clock.monotonic() - started, rng)
        if isinstance(step, GiveUp):
            return results + [
                Result(item.position, item.event.id, _given_up(outcome, step), attempts)
                for item, outcome in deferred
            ]
        batch = Batch(tuple(item for item, _ in deferred))
        why = f"attempt {attempts} of {policy.max_retries + 1}: {deferred[0][1].reason.text}"
        yield from wait(step.delay, f"{destination.name}: {why}")


def not_sent(batch: Batch, why: str) -> list[Result]:
    """The results of a batch for which no request was made."""
    deferred = Deferred(Reason(ReasonKind.NOT_SENT, f"not sent: {why}"))
    return [Result(item.position, item.event.id, deferred, 0) for item in batch.items]


_FAILURE_REASONS = {
    FailureKind.TLS: ReasonKind.TLS,
    FailureKind.TIMEOUT: ReasonKind.TIMEOUT,
    FailureKind.REQUEST: ReasonKind.REJECTED,
}


def _outcome_of_failure(failure: TransportFailure, destination: Destination) -> Outcome:
    kind = _FAILURE_REASONS.get(failure.kind, ReasonKind.UNREACHABLE)
    reason = Reason(kind, destination.redact(one_line(str(failure))))
    return Deferred(reason) if failure.retryable else Rejected(reason)


def _outcome_of_no_credentials(failure: AuthFailure, destination: Destination) -> Outcome:
    reason = Reason(ReasonKind.AUTH, destination.redact(one_line(str(failure))))
    return Deferred(reason, failure.retry_after) if failure.retryable else Rejected(reason)


def _told(
    outcome: Rejected | Deferred, response: Response, destination: Destination, clock: Clock
) -> Outcome:
    """The outcome as it may be shown: no secrets in it, not too long, and with the wait asked for."""
    # Redact first: a cut through a secret would leave half of it unrecognised.
    text = destination.redact(outcome.reason.text)
    text = text if len(text) <= MAX_WORDS else f"{text[:MAX_WORDS]}…"
    reason = replace(outcome.reason, text=text)
    if isinstance(outcome, Rejected):
        return Rejected(reason)
    asked = outcome.retry_after
    return Deferred(reason, response.retry_after(clock.time()) if asked is None else asked)


def _given_up(outcome: Deferred, step: GiveUp) -> Deferred:
    text = f"{step.why}: {outcome.reason.text}"
    return replace(outcome, reason=replace(outcome.reason, text=text))
