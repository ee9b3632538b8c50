"""Where the events of a run stand when it is stopped: only those of a request without an answer are unknown."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.heart import (
    Dice,
    LinesFormat,
    OwnClock,
    batch_of,
    destination,
    guide_event,
    line_answer,
    reason_of,
)
from vaulytica.delivery.batching import Batch
from vaulytica.delivery.flow import deliver
from vaulytica.delivery.lane import Lane
from vaulytica.delivery.outcome import Deferred, Delivered, Outcome, Rejected, outcome_of_status
from vaulytica.delivery.policy import RetryPolicy
from vaulytica.delivery.ports import Alone, Effect, Flow, Send, Turn, Wait, alone, send
from vaulytica.delivery.request import Request, Response
from vaulytica.delivery.run import Run
from vaulytica.delivery.standing import Left
from vaulytica.driver.sync import Driver
from vaulytica.transport.memory import MemoryTransport


class Lines(LinesFormat):
    """As it is, but a whole request may be refused as too large."""

    def settle(self, response: Response, batch: Batch) -> list[Outcome]:
        if response.status != 200:
            return [outcome_of_status(response)] * len(batch)
        return super().settle(response, batch)


def run_of(**more: Any) -> Run:
    settings = {"format": Lines(max_events=4), "retry": RetryPolicy(jitter=False), "max_wait": 0.0}
    return Run(Lane(destination(**settings | more)))


class Stepped:
    """The one delivery of a run, effect by effect."""

    def __init__(self, count: int, **more: Any) -> None:
        self.run, self.clock = run_of(**more), OwnClock()
        for n in range(count):
            self.run.put({"type": f"t{n}", "data": {"n": n}}, self.clock.monotonic())
        self.run.end()
        self.delivery: Any = self.run.take(self.clock, Dice(0.5))

    def until(self, kind: type[Effect], answer: object = None) -> Effect:
        """Answer what is asked for, and go on to the next effect of this kind; turns are given at once."""
        while True:
            effect: Effect = self.delivery.flow.send(answer)
            if isinstance(effect, kind):
                return effect
            assert isinstance(effect, Turn)
            assert effect.ask() == 0
            answer = None

    @property
    def left(self) -> tuple[list[int], list[int], list[int]]:
        left = self.run.left()
        results = [result.position for result in left.results]
        return positions(left.under_way), positions(left.not_begun), results


def positions(items: Any) -> list[int]:
    return [item.position for item in items]


def test_what_waits_for_its_first_turn_is_not_begun() -> None:
    stepped = Stepped(3)
    assert stepped.left == ([], [0, 1, 2], [])
    stepped.until(Turn)
    assert stepped.left == ([], [0, 1, 2], [])


def test_what_is_asked_of_the_destination_may_have_arrived() -> None:
    stepped = Stepped(3)
    stepped.until(Send)
    assert stepped.left == ([0, 1, 2], [], [])


def test_what_waits_for_its_retry_is_deferred_for_the_reason_it_has_met() -> None:
    stepped = Stepped(2)
    stepped.until(Send)
    stepped.until(Wait, Response(503, {}, b"[]"))
    left = stepped.run.left()
    assert (left.under_way, left.not_begun) == ([], [])
    for result in left.results:
        assert isinstance(result.outcome, Deferred)
        assert (result.attempts, reason_of(result).status) == (1, 503)
        assert reason_of(result).text == (
            "stopped before the next attempt; the last failed with: HTTP 503: []"
        )
    stepped.until(Turn)
    assert stepped.left == ([], [], [0, 1]), "and so is what waits for its next turn"
    stepped.until(Send)
    assert stepped.left == ([0, 1], [], [])


def test_of_a_batch_that_was_taken_in_part_each_event_has_its_own() -> None:
    stepped = Stepped(4)
    stepped.until(Send)
    stepped.until(Wait, line_answer(200, 400, 503, 504))
    results = sorted(stepped.run.left().results, key=lambda result: result.position)
    assert [type(result.outcome) for result in results] == [
        Delivered, Rejected, Deferred, Deferred
    ]  # fmt: skip
    assert reason_of(results[3]).text.endswith("line 504")
    stepped.until(Send)
    under_way, not_begun, settled = stepped.left
    assert (under_way, not_begun, sorted(settled)) == ([2, 3], [], [0, 1])
    noted = stepped.run.noted_on(ValueError()).__notes__[0]
    assert "1 events were delivered, 1 rejected, 0 deferred; 2 were under way" in noted


def test_of_a_batch_that_is_cut_only_the_half_that_is_sent_is_unknown() -> None:
    stepped = Stepped(4)
    stepped.until(Send)
    stepped.until(Send, Response(413))
    under_way, not_begun, refused = stepped.left
    assert (under_way, not_begun, refused) == ([0, 1], [], [2, 3])
    stepped.until(Send, line_answer(200, 200))
    assert stepped.left == ([2, 3], [], [0, 1])


class Token:
    """An auth scheme that has to ask somebody else first."""

    def flow(self, request: Request, now: float) -> Flow[Response]:
        yield from alone(send(Request("https://id.example.com/token", (), b"")))
        return (yield from send(request))


def test_what_waits_for_a_token_is_not_begun() -> None:
    stepped = Stepped(2, auth=Token())
    stepped.until(Alone)
    assert stepped.left == ([], [0, 1], [])
    stepped.until(Send)
    assert stepped.left == ([0, 1], [], [])


FATES = st.lists(st.lists(st.sampled_from([200, 400, 413, 500, 503]), max_size=6), max_size=12)


@given(FATES, st.integers(0, 30))
def test_every_event_is_told_of_once_and_truly(fates: list[list[int]], steps: int) -> None:
    """Each event is answered with its own fates, and then taken; it is stopped after so many waits."""
    run, clock = run_of(), OwnClock()
    for n in range(len(fates)):
        run.put({"type": "t", "data": {"n": n}}, clock.monotonic())
    run.end()
    left_of, taken, open_now = [list(fate) for fate in fates], set[int](), set[int]()

    def numbers(request: Request) -> list[int]:
        return [int(line.split(b'"n":')[1].rstrip(b"}")) for line in request.body.splitlines()]

    def answer(request: Request) -> Response:
        events = numbers(request)
        now = [left_of[n].pop(0) if left_of[n] else 200 for n in events]
        for whole in {413, 500} & set(now):
            return Response(whole)
        taken.update(n for n, status in zip(events, now, strict=True) if status == 200)
        return line_answer(*now)

    def perform(flow: Flow[Any]) -> Any:
        nonlocal steps
        answered: Response | None = None
        while True:
            try:
                effect = flow.send(answered)
            except StopIteration as stop:
                return stop.value
            answered, waits = None, 0.0
            if isinstance(effect, Wait):
                waits = effect.seconds
            elif isinstance(effect, Turn):
                waits = effect.ask()
            if waits or isinstance(effect, Send):  # at the rest nobody waits
                if steps == 0:
                    open_now.update(numbers(effect.request) if isinstance(effect, Send) else ())
                    return None
                steps -= 1
            if isinstance(effect, Send):
                answered = answer(effect.request)
            clock.sleep(waits)
            while waits and isinstance(effect, Turn) and (waits := effect.ask()) > 0:
                clock.sleep(waits)

    reports: list[Any] = []
    while (got := run.take(clock, Dice(0.5))) is not None and not isinstance(got, float):
        if (settlement := perform(got.flow)) is None:
            break
        run.settle(got, settlement)
        reports += run.reports
        run.reports.clear()

    left = run.left()
    told = [r for report in (*reports, *run.reports) for r in report.results] + left.results
    assert {item.position for item in left.under_way} == open_now
    known = {r.position for r in left.results if r.delivered}
    assert known <= taken
    undelivered = {r.position for r in told if not r.delivered}
    assert not undelivered & taken
    assert not {item.position for item in left.not_begun} & taken
    places = [*undelivered, *positions(left.under_way), *positions(left.not_begun)]
    assert len(places) == len(set(places))
    assert len(places) + run.total().counts.delivered + len(known) == len(fates)


def test_a_driver_that_is_stopped_makes_no_request() -> None:
    transport, stopped = MemoryTransport(), threading.Event()
    format = LinesFormat()
    lane, clock = Lane(destination(format=format)), OwnClock()
    stopped.set()
    flow = deliver(lane, batch_of(format, guide_event()), clock, Dice(0.5))
    with pytest.raises(InterruptedError):
        Driver(transport).run(flow, stopped)
    assert transport.requests == []
    assert lane.pace.in_flight == 0
    assert Left([], [], []) == run_of().left()
