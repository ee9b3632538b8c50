"""Which event is at fault: a search that is quick where one is, and short where the destination is."""

from __future__ import annotations

import pytest

from support.heart import Canned, destination, reason_of
from support.whole import (
    PlainLines,
    StoppingLines,
    asked,
    breaks_at,
    has,
    lane_of,
    numbers,
    run,
    sent,
)
from vaulytica.delivery.breaker import State
from vaulytica.delivery.lane import Lane
from vaulytica.delivery.outcome import Deferred, ReasonKind, Rejected
from vaulytica.delivery.policy import RetryPolicy
from vaulytica.delivery.request import Request, Response
from vaulytica.delivery.searching import MANY

RETRIES = RetryPolicy(max_retries=3, jitter=False)
NONE = RetryPolicy(max_retries=0)


# --- The destination is down.


@pytest.mark.parametrize("patience", [0.0, 300.0])
@pytest.mark.parametrize("count", [2, 3, 40, 1000])
def test_who_answers_500_to_all_is_given_up_on_at_once_without_retries(
    count: int, patience: float
) -> None:
    canned = Canned(*[Response(500, (), b"boom")] * 5)
    began = canned.clock.now
    results = run(canned, lane_of(retry=NONE, patience=patience), count)
    assert len(canned.requests) == 1 + min(count, 3)
    assert canned.clock.now == began, "it waits for no breaker"
    assert {reason_of(r).text for r in results} == {"the attempt failed with: HTTP 500: boom"}
    assert [r.attempts for r in results] == asked(canned)


def test_who_answers_500_to_all_takes_no_longer_than_with_502() -> None:
    def seconds(status: int, *, known: bool) -> float:
        canned = Canned(*[Response(status)] * 99)
        began = canned.clock.now
        assert not any(r.delivered for r in run(canned, lane_of(known=known, retry=RETRIES), 100))
        return canned.clock.now - began

    for known in (False, True):
        assert seconds(500, known=known) == seconds(502, known=known)


def test_an_outage_that_answers_500_costs_nothing_while_there_is_patience() -> None:
    lane = lane_of(known=True, retry=RETRIES)
    canned = Canned()
    until = canned.clock.now + 200.0
    canned.answers += [lambda _: Response(500 if canned.clock.now < until else 200)] * 40
    results = run(canned, lane, 100)
    assert all(r.delivered for r in results)
    assert len(canned.requests) < 20


def test_a_search_does_not_outlast_a_wait_that_the_destination_asks_for() -> None:
    canned = Canned(Response(500, {"Retry-After": "3000"}))
    began = canned.clock.now
    results = run(canned, lane_of(retry=NONE), 100)
    assert (len(results), canned.clock.now) == (100, began)
    assert {reason_of(r).text for r in results} == {"the attempt failed with: HTTP 500"}


@pytest.mark.parametrize(("patience", "most"), [(0.0, 60.0), (300.0, 700.0)])
def test_a_search_ends_when_nothing_is_taken_for_as_long_as_the_patience(
    patience: float, most: float
) -> None:
    """The first event by itself is taken, and from then on nothing is, each time after long."""

    def slow(request: Request) -> Response:
        canned.clock.sleep(20.0)
        return Response(200 if len(request.body) < 200 and len(canned.requests) == 2 else 500)

    canned = Canned(*[slow] * 40)
    began = canned.clock.now
    results = run(canned, lane_of(retry=NONE, patience=patience, timeout=30.0), 1000)
    assert sum(r.delivered for r in results) == 1
    assert len(results) == 1000
    assert canned.clock.now - began < most + 120.0, "the attempts, and the first event by itself"


def test_a_half_that_is_not_searched_is_not_given_up_with_one_that_is() -> None:
    """Of two halves of a request that was too large, one breaks but for its first event."""

    def answer(request: Request) -> Response:
        if len(request.body) > 20_000:
            return Response(413)
        return Response(500 if has(request, *range(1, 200)) else 200)

    canned = Canned(*[answer] * 100)
    results = run(canned, lane_of(retry=NONE), 400)
    assert [r.position for r in results if r.delivered] == [0, *range(200, 400)]
    assert len(canned.requests) < 90


def test_a_search_that_is_through_as_it_becomes_vain_leaves_the_others_alone() -> None:
    """All are refused by themselves but the first, as many as it takes to ask for the last one."""

    def answer(request: Request) -> Response:
        if len(request.body) > 5_000:
            return Response(413)
        return Response(500 if has(request, *range(1, MANY + 1)) else 200)

    results = run(Canned(*[answer] * 100), lane_of(retry=NONE), 2 * (MANY + 1))
    assert [r.position for r in results if r.delivered] == [0, *range(MANY + 1, 2 * (MANY + 1))]


# --- One event is at fault.


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("bad", [0, 1, 49, 50, 98, 99])
def test_one_that_breaks_the_destination_is_found_in_the_time_of_its_retries(
    bad: int, known: bool
) -> None:
    lane = lane_of(known=known, retry=RETRIES)
    canned = Canned(*[breaks_at(bad)] * 40)
    began = canned.clock.now
    results = run(canned, lane, 100)
    assert [r.position for r in results if not r.delivered] == [bad]
    assert isinstance(results[bad].outcome, Deferred)
    assert reason_of(results[bad]).text == "all 4 attempts failed, the last with: HTTP 500"
    assert canned.clock.now - began < 20.0, "and not the patience, nor the breaker's cool-downs"
    assert len(canned.requests) < 4 + 3 + 20
    assert [r.attempts for r in results] == asked(canned)


@pytest.mark.parametrize("bad", [(0, 99), (0, 50), (10, 20, 30, 40), tuple(range(40, 50))])
def test_several_that_break_the_destination_are_found(bad: tuple[int, ...]) -> None:
    canned = Canned(*[breaks_at(*bad)] * 100)
    results = run(canned, lane_of(retry=NONE), 100)
    assert tuple(r.position for r in results if not r.delivered) == bad


def test_what_was_taken_in_a_search_closes_the_breaker() -> None:
    lane = lane_of(retry=RETRIES)
    run(Canned(*[breaks_at(50)] * 40), lane, 100)
    assert lane.pace.state is State.CLOSED
    assert lane.pace.in_flight == 0


# --- It is said by name, or of the whole batch.


def refusing_the_first(request: Request) -> Response:
    return Response(400, (), b"0")


def test_who_refuses_the_first_of_each_request_is_not_sent_the_rest_over_and_over() -> None:
    lane = Lane(destination(format=StoppingLines(1000, 10**6), retry=NONE))
    canned = Canned(*[refusing_the_first] * 60)
    results = run(canned, lane, 1000)
    assert len(canned.requests) == MANY + 1
    body = len(canned.requests[0].body)
    assert sum(len(r.body) for r in canned.requests) < 4 * body
    rejected = [r for r in results if isinstance(r.outcome, Rejected)]
    assert len(rejected) == MANY + 1
    assert {r.position for r in rejected} == {those[0] for those in sent(canned)}
    assert isinstance(results[500].outcome, Deferred)
    text = reason_of(results[500]).text
    assert (
        text
        == f"the attempt failed with: refused, as were {MANY + 1} events each by itself: line 0"
    )
    assert [r.attempts for r in results] == asked(canned)


def test_many_refused_by_name_are_told_apart_while_others_are_taken() -> None:
    lane = Lane(destination(format=StoppingLines(1000, 10**6), retry=NONE))

    def answer(request: Request) -> Response:
        at = next((at for at, n in enumerate(numbers(request)) if n % 100 < 40), None)
        return Response(200) if at is None else Response(400, (), str(at).encode())

    canned = Canned(*[answer] * 900)
    results = run(canned, lane, 1000)
    assert [r.delivered for r in results] == [n % 100 >= 40 for n in range(1000)]
    assert {type(r.outcome) for r in results if not r.delivered} == {Rejected}


@pytest.mark.parametrize(
    ("format", "answer", "each"),
    [(PlainLines, Response(400), 2), (StoppingLines, refusing_the_first, 1)],
    ids=["whole", "by name"],
)
def test_a_retry_of_what_is_refused_whole_is_no_new_search(
    format: type[PlainLines], answer: object, each: int
) -> None:
    def requests(retries: int) -> int:
        policy = RetryPolicy(max_retries=retries, jitter=False)
        canned = Canned(*[answer] * 120)  # type: ignore[list-item]
        run(canned, Lane(destination(format=format(1000, 10**6), retry=policy)), 1000)
        return len(canned.requests)

    assert requests(3) == requests(0) + 3 * each


def test_in_order_each_is_told_apart_in_ever_smaller_requests() -> None:
    lane = Lane(destination(format=StoppingLines(1000, 10**6), retry=NONE))
    canned = Canned(*[refusing_the_first] * 200)
    results = run(canned, lane, 200, ordered=True)
    assert {reason_of(r).kind for r in results} == {ReasonKind.REJECTED}
    assert [those[0] for those in sent(canned)] == list(range(200))
    body = len(canned.requests[0].body)
    assert sum(len(r.body) for r in canned.requests) < 12 * body
