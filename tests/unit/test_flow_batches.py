"""The flow with several events in a request: each has its own outcome, and only those deferred go again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.heart import (
    Canned,
    LinesFormat,
    batch_of,
    delivered,
    destination,
    guide_event,
    header,
    line_answer,
    reason_of,
)
from vaulytica.delivery.batching import Batch
from vaulytica.delivery.outcome import (
    Deferred,
    Delivered,
    Outcome,
    Reason,
    ReasonKind,
    Rejected,
    Result,
)
from vaulytica.delivery.policy import RetryPolicy
from vaulytica.delivery.report import Report
from vaulytica.delivery.request import Response
from vaulytica.errors import FailureKind, TransportFailure

LINES = LinesFormat()
NO_JITTER = RetryPolicy(jitter=False)


def run(canned: Canned, count: int, retry: RetryPolicy = NO_JITTER) -> list[Result]:
    """The results of so many events, by position; all canned answers are used."""
    to = destination(format=LINES, retry=retry)
    batch = batch_of(LINES, *(guide_event(type=f"t{n}") for n in range(count)))
    results = delivered(canned, to, batch)
    assert canned.all_used
    assert sorted(r.position for r in results) == list(range(count))
    assert {r.position: r.event_id for r in results} == {
        i.position: i.event.id for i in batch.items
    }
    return sorted(results, key=lambda r: r.position)


def lines(canned: Canned) -> list[list[str]]:
    """The types in each request's body."""
    return [
        [line.split('"')[3] for line in request.body.decode().splitlines()]
        for request in canned.requests
    ]


def test_a_partial_answer_sends_only_the_deferred_again() -> None:
    canned = Canned(line_answer(200, 400, 503, 200, 503), line_answer(200, 503), line_answer(200))
    results = run(canned, 5)
    assert lines(canned) == [["t0", "t1", "t2", "t3", "t4"], ["t2", "t4"], ["t4"]]
    assert [type(r.outcome) for r in results] == [Delivered, Rejected, *[Delivered] * 3]
    assert [r.attempts for r in results] == [1, 1, 2, 1, 3]
    assert canned.delays == [1.0, 2.0]


def test_events_given_up_on_do_not_change_what_became_of_the_rest() -> None:
    canned = Canned(line_answer(503, 200, 400), *[line_answer(503)] * 3)
    results = run(canned, 3)
    assert [type(r.outcome) for r in results] == [Deferred, Delivered, Rejected]
    assert [r.attempts for r in results] == [4, 1, 1]
    assert reason_of(results[0]).text == "all 4 attempts failed, the last with: line 503"
    assert Report(results) == 1


def test_a_broken_connection_is_every_events_failure() -> None:
    failure = TransportFailure(FailureKind.CONNECT, "no connection")
    results = run(Canned(failure, line_answer(200, 200, 200)), 3)
    assert [r.attempts for r in results] == [2, 2, 2]
    results = run(Canned(TransportFailure(FailureKind.TLS, "expired", retryable=False)), 3)
    assert {reason_of(r).kind for r in results} == {ReasonKind.TLS}


def test_the_same_events_have_the_same_id_and_fewer_have_another() -> None:
    canned = Canned(line_answer(503, 503), line_answer(200, 503), line_answer(200))
    results = run(canned, 2)
    ids = [header(request, "Idempotency-Key") for request in canned.requests]
    assert ids[0] == ids[1]
    assert (ids[0] or "").startswith("batch-")
    assert ids[2] == results[1].event_id


def test_the_wait_asked_for_holds_for_all_that_is_deferred() -> None:
    answer = line_answer(503, 200, 503, Retry_After="9")
    canned = Canned(answer, line_answer(200, 200))
    run(canned, 3)
    assert canned.delays == [9.0]


class PatientFormat(LinesFormat):
    """Says itself how long each event has to wait."""

    def settle(self, response: Response, batch: Batch) -> list[Outcome]:
        reason = Reason(ReasonKind.THROTTLED, "queue full")
        return [Deferred(reason, 5.0 + place) for place in range(len(batch))]


def test_a_format_that_knows_the_wait_is_believed_and_the_longest_counts() -> None:
    to = destination(format=PatientFormat(), retry=RetryPolicy(max_retries=1, jitter=False))
    canned = Canned(*[Response(200, {"Retry-After": "90"})] * 2)
    batch = batch_of(to.format, *(guide_event() for _ in range(3)))
    results = delivered(canned, to, batch, patient=False)
    assert canned.delays == [7.0]
    waits = [r.outcome.retry_after for r in results if isinstance(r.outcome, Deferred)]
    assert waits == [5.0, 6.0, 7.0]


STATUSES = st.sampled_from([200, 400, 503])


@given(st.data())
def test_every_event_has_one_result_whatever_is_answered(data: st.DataObject) -> None:
    left = count = data.draw(st.integers(1, 6))
    answers = []
    for _ in range(4):
        statuses = data.draw(st.lists(STATUSES, min_size=left, max_size=left))
        answers.append(line_answer(*statuses))
        left = statuses.count(503)
        if not left:
            break
    results = run(Canned(*answers), count)
    deferred = [r for r in results if isinstance(r.outcome, Deferred)]
    assert len(deferred) == left
    assert all(r.attempts == 4 for r in deferred)
    assert all(1 <= r.attempts <= len(answers) for r in results)


@pytest.mark.parametrize("count", [1, 2, 10])
def test_the_body_is_the_parts_joined(count: int) -> None:
    canned = Canned(line_answer(*[200] * count))
    run(canned, count)
    assert lines(canned) == [[f"t{n}" for n in range(count)]]
