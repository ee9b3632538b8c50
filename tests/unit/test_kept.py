"""Delivering what is kept: what is settled, what is put off for how long, and what that costs."""

from __future__ import annotations

from typing import Any

import pytest

from support.heart import (
    Canned,
    Dice,
    LinesFormat,
    batch_of,
    destination,
    guide_event,
    line_answer,
)
from vaulytica.delivery.batching import Batch
from vaulytica.delivery.kept import Past, Redelivery, redeliver
from vaulytica.delivery.lane import Lane
from vaulytica.delivery.outcome import (
    Deferred,
    Outcome,
    Reason,
    ReasonKind,
    Rejected,
    outcome_of_status,
)
from vaulytica.delivery.policy import RetryPolicy
from vaulytica.delivery.request import Request, Response
from vaulytica.delivery.searching import MANY
from vaulytica.errors import AuthFailure, FailureKind, TransportFailure


class StatusOrLines(LinesFormat):
    """Answered by a status for all, or by one for each line."""

    def settle(self, response: Response, batch: Batch) -> list[Outcome]:
        if response.status == 200:
            return super().settle(response, batch)
        return [outcome_of_status(response)] * len(batch)


FORMAT = StatusOrLines()
NOTHING = Past()
RETRY = RetryPolicy(max_retries=3, initial_delay=10.0, jitter=False)


def run(
    canned: Canned,
    *sizes: int,
    past: Past = NOTHING,
    doubted: bool = False,
    searches: bool = False,
    **more: Any,
) -> Redelivery:
    """Redeliver batches of so many events; `to` has settings of the destination."""
    to = destination(format=FORMAT, **{"retry": RETRY, **more.pop("to", {})})
    events = iter([guide_event(id=f"id-{n}") for n in range(sum(sizes))])
    batches = [batch_of(FORMAT, *[next(events) for _ in range(size)]) for size in sizes]
    lane = Lane(to)
    lane.doubted = doubted
    made = canned.run(redeliver(lane, batches, past, canned.clock, Dice(1.0), **more))
    assert searches or canned.waits == []
    total = made.settlement.delivered + len(made.settlement.results)
    assert total + sum(len(later.items) for later in made.later) == sum(sizes)
    return made


def test_what_is_delivered_is_all_there_is() -> None:
    made = run(Canned(line_answer(200, 200)), 2)
    assert (made.settlement.delivered, made.later, made.down) == (2, [], None)


def test_a_failure_is_put_off_by_the_policy_and_never_waited_for() -> None:
    made = run(Canned(Response(500)), 1, past=Past(attempts=1, charged=1), to={"patience": 0.0})
    (later,) = made.later
    assert (later.delay, later.attempts, later.charged) == (20.0, 1, 2)
    assert [failed.reason.status for failed in later.tried] == [500]


def test_spent_retries_give_up_and_say_so() -> None:
    made = run(Canned(Response(502)), 2, past=Past(attempts=3, charged=3), to={"patience": 0.0})
    assert made.later == []
    for result in made.settlement.results:
        assert isinstance(result.outcome, Deferred)
        assert result.attempts == 1
        (failed,) = made.tried[result.position]
        assert failed.reason.text.startswith("all 4 attempts failed, the last with: HTTP 502")


def test_a_partial_answer_parts_them() -> None:
    made = run(Canned(line_answer(200, 400, 500)), 3)
    assert made.settlement.delivered == 1
    (result,) = made.settlement.results
    assert (result.position, type(result.outcome)) == (1, Rejected)
    assert [failed.reason.text for failed in made.tried[1]] == ["line 400"]
    (later,) = made.later
    assert [item.position for item in later.items] == [2]


def test_a_request_too_large_is_halved_at_once() -> None:
    made = run(Canned(Response(413), line_answer(200), line_answer(200)), 2)
    assert made.settlement.delivered == 2


@pytest.mark.parametrize(
    "answer",
    [
        Response(410),
        Response(401),
        AuthFailure("no token"),
        TransportFailure(FailureKind.TLS, "expired", retryable=False),
    ],
)
def test_a_fault_of_the_destination_buries_nothing_and_costs_no_retry(answer: Any) -> None:
    canned = Canned(answer)
    made = run(canned, 2, 3)
    assert made.down is not None
    assert canned.all_used
    first, second = made.later
    assert (len(first.items), first.attempts, first.charged, len(first.tried)) == (2, 1, 0, 1)
    assert (len(second.items), second.attempts, second.charged, second.tried) == (3, 0, 0, ())
    assert first.delay == second.delay == RETRY.max_delay == 60.0


@pytest.mark.parametrize("status", [403, 404, 302])
def test_what_a_wrong_url_gets_is_believed_the_second_time(status: int) -> None:
    made = run(Canned(Response(status)), 1)
    (later,) = made.later
    assert (made.down, later.charged, len(later.tried)) == (None, 1, 1)
    made = run(Canned(Response(status)), 1, past=Past(attempts=1, charged=1))
    assert (made.down, len(made.settlement.results)) == (None, 1)


def test_what_a_doubted_destination_says_is_never_believed() -> None:
    made = run(Canned(Response(404)), 1, past=Past(attempts=7, charged=1), doubted=True)
    (later,) = made.later
    assert (made.down, later.charged) == ("HTTP 404", 1)
    made = run(Canned(Response(400)), 1, doubted=True)
    assert len(made.settlement.results) == 1


def test_in_order_what_follows_is_put_off_as_well() -> None:
    made = run(Canned(line_answer(200), line_answer(500)), 1, 1, 1, ordered=True)
    assert made.settlement.delivered == 1
    assert [(later.attempts, later.delay) for later in made.later] == [(1, 10.0), (0, 10.0)]


def test_in_order_the_second_half_does_not_overtake_the_first() -> None:
    made = run(Canned(Response(400), Response(500)), 2, ordered=True)
    assert [len(later.items) for later in made.later] == [1, 1]


def test_without_order_the_next_batch_is_tried() -> None:
    made = run(Canned(line_answer(500), line_answer(200)), 1, 1)
    assert made.settlement.delivered == 1


def test_the_deadline_counts_from_when_they_were_kept() -> None:
    deadline = {"retry": RetryPolicy(deadline=100.0, initial_delay=10.0), "patience": 0.0}
    made = run(Canned(Response(500)), 1, past=Past(age=80.0), to=deadline)
    assert len(made.later) == 1
    made = run(Canned(Response(500)), 1, past=Past(age=95.0), to=deadline)
    (result,) = made.settlement.results
    assert "would outlive the deadline" in made.tried[result.position][-1].reason.text


def test_what_a_busy_destination_is_excused_for_costs_no_retry_until_patience_ends() -> None:
    busy = Response(503, {"retry-after": "7"})
    made = run(Canned(busy), 1, past=Past(attempts=9, charged=0))
    (later,) = made.later
    assert (later.charged, later.excused, later.delay) == (0, 0.0, 7.0)
    made = run(Canned(busy), 1, past=Past(attempts=9, excused=299.0))
    assert made.wait == 0.0
    assert made.later[0].excused == pytest.approx(299.0)
    made = run(Canned(busy), 1, past=Past(attempts=9, excused=300.0))
    assert "busy or down for 300 s" in made.tried[0][-1].reason.text


def test_what_would_have_to_wait_for_long_does_so_where_it_is_kept() -> None:
    canned = Canned(Response(429, {"retry-after": "600"}))
    made = run(canned, 1, 2, 3)
    assert canned.all_used
    first, second, third = made.later
    assert (first.attempts, first.delay) == (1, 600.0)
    assert [(x.attempts, x.charged, x.delay) for x in (second, third)] == [(0, 0, 600.0)] * 2
    assert made.wait == 600.0


def test_what_has_to_wait_shortly_waits() -> None:
    canned = Canned(Response(429, {"retry-after": "3"}), line_answer(200, 200))
    made = run(canned, 1, 2)
    assert (made.settlement.delivered, canned.pauses) == (2, [3.0])


def test_an_event_that_breaks_the_destination_is_given_up_on_alone() -> None:
    canned = Canned(Response(500), line_answer(200), *[Response(500)] * 4)
    made = run(canned, 2, past=Past(attempts=3, charged=3), searches=True)
    assert made.settlement.delivered == 1
    (result,) = made.settlement.results
    assert result.position == 1
    assert made.later == []


def test_who_refuses_all_there_is_has_the_rest_put_off_untried() -> None:
    made = run(Canned(*[Response(400)] * 90), 200)
    assert len(made.settlement.results) == MANY + 1
    (later,) = made.later
    assert (len(later.items), later.charged) == (200 - MANY - 1, 1)


@pytest.mark.parametrize("ordered", [False, True])
def test_one_that_breaks_the_destination_takes_no_neighbours_along(ordered: bool) -> None:
    """In order, none is sent before those that came earlier, but again."""

    def answer(request: Request) -> Response:
        if b"breaks" in request.body:
            return Response(500)
        return line_answer(*[200] * len(request.body.splitlines()))

    to = destination(format=FORMAT, retry=RETRY)
    for bad in range(9):
        lane = Lane(to, known=True)
        canned = Canned(*[answer] * 40)
        events = [guide_event(type="breaks" if n == bad else "fine") for n in range(9)]
        past = Past(attempts=3, charged=3)
        flow = redeliver(
            lane, [batch_of(FORMAT, *events)], past, canned.clock, Dice(1.0), ordered=ordered
        )
        made = canned.run(flow)
        (result,) = made.settlement.results
        assert (result.position, made.later, made.settlement.delivered) == (bad, [], 8)
        places = [item.position for batch, _, _ in made.settlement.groups for item in batch.items]
        assert places == sorted(places) or not ordered
        assert [wait.seconds for wait in canned.waits] == [5.0] * 3, "it is tried again alone"
        assert canned.pauses == []


def test_who_answers_500_to_all_has_all_put_off_while_not_all_retries_are_charged() -> None:
    canned = Canned(*[Response(500)] * 4)
    made = run(canned, 100, past=Past(attempts=3))
    (later,) = made.later
    assert (len(later.items), later.attempts, later.charged) == (100, 1, 1)
    assert (canned.all_used, made.settlement.results) == (True, [])


class OfTheKey(StatusOrLines):
    """Says with 403 that it is the key that is refused."""

    def settle(self, response: Response, batch: Batch) -> list[Outcome]:
        reason = Reason(ReasonKind.AUTH, "Invalid token", response.status, of_all=True)
        return [Rejected(reason)] * len(batch)


def test_a_403_that_is_of_the_key_buries_nothing_and_is_believed_at_once() -> None:
    canned = Canned(Response(403))
    lane = Lane(destination(format=OfTheKey(), retry=RETRY))
    batches = [batch_of(FORMAT, guide_event(), guide_event()) for _ in range(3)]
    made = canned.run(redeliver(lane, batches, NOTHING, canned.clock, Dice(1.0)))
    assert (made.down, made.settlement.results, len(made.later)) == ("Invalid token", [], 3)


def test_what_has_to_wait_for_long_in_a_search_is_put_off_and_one_attempt_is_left_to_it() -> None:
    spent = Past(attempts=3, charged=3)
    canned = Canned(Response(500, {"Retry-After": "600"}))
    made = run(canned, 100, past=spent)
    (later,) = made.later
    assert (made.settlement.results, len(later.items), later.charged) == ([], 100, 3)
    assert made.wait == later.delay == 600.0


@pytest.mark.parametrize("status", [429, 503])
def test_a_sample_that_meets_a_busy_destination_is_asked_again_or_all_is_put_off(
    status: int,
) -> None:
    spent = Past(attempts=3, charged=3)
    shortly = Response(status, {"Retry-After": "20"})
    canned = Canned(Response(500), shortly, *[Response(500)] * 3)
    assert len(run(canned, 100, past=spent, searches=True).settlement.results) == 100, (
        "none of three is taken"
    )
    for_long = Response(status, {"Retry-After": "600"})
    made = run(Canned(Response(500), for_long), 100, past=spent)
    (later,) = made.later
    assert (made.settlement.results, len(later.items), later.charged) == ([], 100, 3)


def test_what_was_not_told_apart_as_the_destination_went_down_has_its_retries_again() -> None:
    """The first two by themselves are taken, and nothing after that."""
    spent = Past(attempts=3, charged=3)
    taken = line_answer(200)
    made = run(Canned(Response(500), taken, taken, *[Response(500)] * 90), 100, past=spent)
    (later,) = made.later
    assert (made.settlement.delivered, made.settlement.results) == (2, [])
    assert (len(later.items), later.charged, later.excused) == (98, 0, None)
