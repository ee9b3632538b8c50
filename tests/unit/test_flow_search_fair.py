"""A search gives up on nobody because of how it went: who is busy, or down in between, tells of no event."""

from __future__ import annotations

from contextlib import suppress

import pytest

from support.heart import Canned, Dice, batch_of, guide_event
from support.whole import asked, breaks_at, has, lane_of, numbers, run
from vaulytica.delivery.flow import Delivering
from vaulytica.delivery.pace import PaceSettings
from vaulytica.delivery.policy import RetryPolicy
from vaulytica.delivery.ports import Send
from vaulytica.delivery.request import Request, Response
from vaulytica.delivery.standing import Left
from vaulytica.errors import FailureKind, TransportFailure

RETRIES = RetryPolicy(max_retries=3, jitter=False)
NONE = RetryPolicy(max_retries=0)


@pytest.mark.parametrize("status", [429, 502, 503, TransportFailure("reset", FailureKind.BROKEN)])
@pytest.mark.parametrize("at", [4, 5, 6, 7, 8])
def test_a_busy_answer_in_a_search_says_nothing_of_the_event(
    at: int, status: int | Exception
) -> None:
    def answer(request: Request) -> Response:
        if len(canned.requests) - 1 == at:
            if isinstance(status, Exception):
                raise status
            return Response(status)
        return breaks_at(30)(request)

    canned = Canned(*[answer] * 60)
    results = run(canned, lane_of(retry=RETRIES), 100)
    assert [r.position for r in results if not r.delivered] == [30]
    assert [r.attempts for r in results] == asked(canned)


def test_a_search_waits_for_the_rate_limit_as_long_as_it_takes() -> None:
    slow = PaceSettings(events_per_second=1)
    canned = Canned(*[breaks_at(30)] * 40)
    results = run(canned, lane_of(retry=NONE, pace=slow, patience=0.0), 100)
    assert [r.position for r in results if not r.delivered] == [30]


def test_a_search_waits_as_the_destination_asks() -> None:
    def answer(request: Request) -> Response:
        return Response(500, {"Retry-After": "10"}) if has(request, 30) else Response(200)

    results = run(Canned(*[answer] * 40), lane_of(retry=RETRIES), 100)
    assert [r.position for r in results if not r.delivered] == [30]


@pytest.mark.parametrize("count", [3, 10, 100])
@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("fails", range(1, 12))
def test_the_end_of_an_outage_buries_nobody_who_is_tried_again(
    fails: int, known: bool, count: int
) -> None:
    """Wherever it ends, in a search or beside it; each event is told how often it was sent."""
    canned = Canned(*[Response(500)] * fails, *[Response(200)] * 20)
    results = run(canned, lane_of(known=known, retry=RETRIES), count)
    if known or fails < 7:
        assert all(r.delivered for r in results)
    assert [r.attempts for r in results] == asked(canned)


@pytest.mark.parametrize("begins", range(6, 20))
@pytest.mark.parametrize("bad", [20, 99])
def test_an_outage_that_begins_in_a_search_buries_nobody_healthy(bad: int, begins: int) -> None:
    """It lasts for half a minute, and is over before the retries of what is left are spent."""
    lane = lane_of(known=True, retry=RetryPolicy(max_retries=3, initial_delay=10.0, jitter=False))
    canned = Canned()
    until: list[float] = []

    def answer(request: Request) -> Response:
        if len(canned.requests) == begins:
            until.append(canned.clock.now + 30.0)
        down = bool(until) and canned.clock.now < until[0]
        return Response(500) if down else breaks_at(bad)(request)

    canned.answers += [answer] * 300
    results = run(canned, lane, 100)
    assert [r.position for r in results if not r.delivered] == [bad]
    assert len(canned.requests) < 200


@pytest.mark.parametrize("bad", [(), (0,), (30,), (0, 30, 99)])
@pytest.mark.parametrize("retries", [0, 3])
def test_wherever_a_search_is_stopped_each_event_stands_in_one_place(
    retries: int, bad: tuple[int, ...]
) -> None:
    """Only those of the request without an answer may have arrived."""
    to = lane_of(retry=RetryPolicy(max_retries=retries, jitter=False))
    statuses = iter([500] * (retries + 1) + [500, 429, 200, 503, 400, 413, 500, 200] * 9)
    canned = Canned()
    canned.answers += [
        lambda request: Response(500 if has(request, *bad) else next(statuses, 200))
    ] * 400
    events = [guide_event(data={"n": n}) for n in range(100)]
    batch = batch_of(to.destination.format, *events)
    delivering = Delivering(
        to, to.destination.retry, canned.clock, Dice(1.0), patient=True, ordered=False
    )
    flow = delivering.standing.watched(delivering.flow(batch))
    answer: object = None
    with suppress(StopIteration):
        while True:
            effect = flow.send(answer)
            left = Left([], [], [])
            delivering.standing.left(left)
            under_way = [item.position for item in left.under_way]
            known = [item.position for item in left.not_begun]
            known += [result.position for result in left.results]
            assert sorted(under_way + known) == list(range(100))
            assert not isinstance(effect, Send) or under_way == numbers(effect.request)
            answer = canned._perform(effect)
    assert len(canned.requests) > retries + 3
