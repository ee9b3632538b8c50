"""An event that breaks its destination is found in a relay, too, and nobody healthy becomes a dead letter."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from support.lane import SimulatedLane
from vaulytica.delivery.request import Request, Response

BATCH = {"max_events": 100, "as": "array"}
RETRIES = {"max_retries": 2, "initial_delay": 1.0}


class _Answering(SimulatedLane):
    """Its destination answers the first single events as told, then 500 to what is refused."""

    singles: tuple[Response, ...] = ()
    breaks = Response(500)

    async def send(self, request: Request) -> Response:
        answer = await super().send(request)
        if len(self.requests[-1][1]) == 1 and self.singles:
            for id in self.requests[-1][1]:
                self.taken.pop(id, None)
            answer, *left = self.singles
            self.singles = tuple(left)
            return answer
        return self.breaks if answer.status == 500 else answer


def lane_of(tmp_path: Path, **settings: Any) -> _Answering:
    """A hundred events of which one breaks the destination."""
    given = {"batch": BATCH, "retry_config": RETRIES, "patience": 60.0, **settings}
    one = _Answering(tmp_path / "o.db", lambda ids: "e-30" in ids, **given)
    one.put(*[f"e-{n}" for n in range(100)])
    return one


def settled(one: SimulatedLane) -> tuple[int, int, int]:
    """Delivered, dead and pending after an hour."""

    async def story() -> None:
        for _ in range(180):  # what a relay does beside its lanes
            await asyncio.sleep(20)
            one.outbox.extend(one.lane.deliveries, 60.0)
            one.lane.look()

    one.run(story)
    counts = one.outbox.counts()["siem"]
    return counts.delivered, counts.dead, counts.pending


@pytest.mark.parametrize("rate", [1, 10])
def test_it_is_found_at_a_rate_that_takes_long(tmp_path: Path, rate: int) -> None:
    one = lane_of(tmp_path, rate_limit={"events_per_second": rate})
    assert settled(one) == (99, 1, 0)


def test_it_is_found_where_each_500_asks_for_a_wait(tmp_path: Path) -> None:
    one = lane_of(tmp_path)
    one.breaks = Response(500, [("Retry-After", "10")])
    assert settled(one) == (99, 1, 0)


@pytest.mark.parametrize(
    "answer",
    [Response(503), Response(429, [("Retry-After", "10")]), Response(429, [("Retry-After", "90")])],
    ids=["busy", "shortly", "for long"],
)
@pytest.mark.parametrize("before", [0, 2])
def test_it_is_found_though_a_single_event_meets_a_busy_destination(
    tmp_path: Path, answer: Response, before: int
) -> None:
    one = lane_of(tmp_path)
    one.singles = (*[Response(500)] * before, answer)
    assert settled(one) == (99, 1, 0)


@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.parametrize("singles", [1, 2])
def test_the_end_of_an_outage_makes_no_dead_letters(
    tmp_path: Path, singles: int, concurrency: int
) -> None:
    """It ends just when the first events are sent by themselves."""

    def refuses(ids: list[str]) -> bool:
        alone = sum(len(those) == 1 for _, those in one.requests)
        return alone <= singles and not (alone == singles and len(ids) > 1)

    week = 7 * 86400.0
    one = SimulatedLane(
        tmp_path / "o.db",
        refuses,
        concurrency=concurrency,
        batch=BATCH,
        retry_config={"max_retries": 3, "initial_delay": 1.0},
        patience=week,
    )
    one.put(*[f"e-{n}" for n in range(300)])
    assert settled(one) == (300, 0, 0)
