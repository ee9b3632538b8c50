"""What a destination says of a whole batch: halves, until the event that is at fault stands alone."""

from __future__ import annotations

import json

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
    reason_of,
)
from support.whole import PlainLines, StoppingLines, has, run, sent
from vaulytica.delivery.batching import Batch, Bounds
from vaulytica.delivery.lane import Lane
from vaulytica.delivery.outcome import (
    Deferred,
    Outcome,
    Reason,
    ReasonKind,
    Rejected,
)
from vaulytica.delivery.policy import RetryPolicy
from vaulytica.delivery.request import Request, Response
from vaulytica.delivery.searching import MANY


def lane_of(format: LinesFormat) -> Lane:
    return Lane(destination(format=format, retry=RetryPolicy(max_retries=0)))


def takes_at_most(limit: int) -> object:
    """A destination that answers 413 to larger bodies, and never asks how many events are in them."""

    def answer(request: Request) -> Response:
        return Response(413 if len(request.body) > limit else 200)

    return answer


@given(count=st.integers(1, 40), limit=st.integers(50, 4000))
def test_413_is_cut_in_halves_until_one_event_stands_alone(count: int, limit: int) -> None:
    lane = lane_of(PlainLines(1000, 10**6))
    canned = Canned(*[takes_at_most(limit)] * (2 * count))  # type: ignore[list-item]
    results = run(canned, lane, count)
    size = len(PlainLines().encode(guide_event(data={"n": 10, "pad": "x" * 50})))
    assert len(results) == count
    for result in results:
        if result.delivered:
            continue
        assert isinstance(result.outcome, Rejected)
        assert result.outcome.reason.kind is ReasonKind.TOO_LARGE
        assert limit <= size
    taken = [n for numbers, r in zip(sent(canned), canned.requests, strict=True)
             for n in numbers if len(r.body) <= limit]  # fmt: skip
    assert sorted(taken) == [n for n, result in enumerate(results) if result.delivered]
    assert taken == sorted(taken), "the order of the events is kept"


def test_the_size_that_was_too_large_is_learnt() -> None:
    lane = lane_of(PlainLines(1000, 10**6))
    canned = Canned(Response(413), Response(200), Response(200))
    run(canned, lane, 10)
    assert lane.bounds.max_bytes == len(canned.requests[0].body) // 2
    assert lane.bounds.max_bytes < len(PlainLines(1000, 10**6).join([b"x"] * 10**6))


def test_a_bound_is_never_learnt_upwards() -> None:
    bounds = Bounds(PlainLines(10, 1000).limits)
    bounds.learn(800)
    bounds.learn(5000)
    assert bounds.max_bytes == 400


def test_that_what_was_taken_before_is_too_large_is_believed_the_second_time() -> None:
    bounds = Bounds(PlainLines(10, 1000).limits)
    bounds.took(900)
    bounds.learn(800)
    assert bounds.max_bytes == 1000
    bounds.learn(800)
    assert bounds.max_bytes == 400


@pytest.mark.parametrize("status", [400, 403, 406, 422])
def test_one_event_that_a_firewall_dislikes_takes_no_neighbours_along(status: int) -> None:
    def answer(request: Request) -> Response:
        return Response(status if has(request, 7) else 200)

    results = run(Canned(*[answer] * 13), lane_of(PlainLines(1000, 10**6)), 64)
    assert [result.position for result in results if not result.delivered] == [7]
    assert isinstance(results[7].outcome, Rejected)


def test_one_event_that_breaks_the_destination_takes_no_neighbours_along() -> None:
    def answer(request: Request) -> Response:
        return Response(500 if has(request, 3) else 200)

    lane = Lane(destination(format=PlainLines(1000, 10**6), retry=RetryPolicy(max_retries=1)))
    canned = Canned(*[answer] * 15)
    results = run(canned, lane, 20)
    assert [result.position for result in results if not result.delivered] == [3]
    assert isinstance(results[3].outcome, Deferred)
    assert str(reason_of(results[3]).text).startswith(
        "all 2 attempts failed, the last with: HTTP 500"
    )


@pytest.mark.parametrize("status", [400, 403, 415])
def test_a_destination_that_refuses_all_there_is_is_not_asked_of_each_event(status: int) -> None:
    canned = Canned(*[Response(status)] * 120)
    results = run(canned, lane_of(PlainLines(1000, 10**6)), 1000)
    assert len(canned.requests) < 90
    assert len(results) == 1000
    assert not any(result.delivered for result in results)
    put_off = [result for result in results if isinstance(result.outcome, Deferred)]
    assert len(put_off) >= 1000 - MANY - 1
    assert f"refused, as were {MANY + 1} events each by itself" in reason_of(put_off[500]).text


def test_in_order_all_are_asked_of() -> None:
    lane = Lane(destination(format=PlainLines(1000, 10**6), retry=RetryPolicy(max_retries=0)))
    events = [guide_event(data={"n": n}) for n in range(100)]
    canned = Canned(*[Response(400)] * 199)
    delivered(canned, lane, batch_of(lane.destination.format, *events), ordered=True)
    numbers = [n for request in sent(canned) if len(request) == 1 for n in request]
    assert numbers == list(range(100))


@given(bad=st.sets(st.integers(0, 19)), count=st.integers(1, 20))
def test_400_for_a_whole_batch_finds_the_events_at_fault(bad: set[int], count: int) -> None:
    def answer(request: Request) -> Response:
        numbers = {json.loads(line)["data"]["n"] for line in request.body.splitlines()}
        return Response(400, (), b"cannot read it") if numbers & bad else Response(200)

    canned = Canned(*[answer] * (2 * count))
    results = run(canned, lane_of(PlainLines(1000, 10**6)), count)
    assert [result.delivered for result in results] == [n not in bad for n in range(count)]
    assert all(r.attempts <= 6 for r in results)


@given(bad=st.sets(st.integers(0, 19)), count=st.integers(1, 20))
def test_what_a_destination_did_not_read_is_sent_again_at_once(bad: set[int], count: int) -> None:
    taken: list[int] = []

    def answer(request: Request) -> Response:
        for at, line in enumerate(request.body.splitlines()):
            number = json.loads(line)["data"]["n"]
            if number in bad:
                return Response(400, (), str(at).encode())
            taken.append(number)
        return Response(200)

    canned = Canned(*[answer] * (count + 1))
    results = run(canned, lane_of(StoppingLines(1000, 10**6)), count)
    assert taken == [n for n in range(count) if n not in bad], "once each, in order"
    assert [result.delivered for result in results] == [n not in bad for n in range(count)]
    assert canned.waits == []


def test_a_destination_that_reads_nothing_is_given_up_on_as_any_other() -> None:
    class Deaf(LinesFormat):
        def settle(self, response: Response, batch: Batch) -> list[Outcome]:
            return [Deferred(Reason(ReasonKind.UNREAD, "read nothing"))] * len(batch)

    canned = Canned(Response(200))
    (first, *_) = run(canned, lane_of(Deaf()), 3)
    assert first.attempts == 1
    assert isinstance(first.outcome, Deferred)


def test_in_order_no_half_overtakes_one_that_is_given_up_on() -> None:
    lane = lane_of(PlainLines(1000, 10**6))
    for ordered in (True, False):
        canned = Canned(Response(413), Response(502), *[] if ordered else [Response(200)])
        events = [guide_event(data={"n": n}) for n in range(4)]
        batch = batch_of(lane.destination.format, *events)
        results = delivered(canned, lane, batch, ordered=ordered)
        assert canned.all_used
        assert [result.delivered for result in results] == [False, False] + [not ordered] * 2
