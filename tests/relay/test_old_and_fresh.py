"""What was never tried goes on while what was tried before fails again: hours of it, on a clock that nothing slows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from support.lane import LATENCY, SimulatedLane, simulated
from support.outbox import WHY
from vaulytica.outbox.delivery import nak

HOUR = 3600.0


@pytest.fixture
def lane(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Its file is in memory where that is possible: no law of these is about a disk."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as folder:
        yield partial(simulated, Path(folder) / "outbox.db")


def is_old(ids: list[str]) -> bool:
    return any(id.startswith("old") for id in ids)


def tried_before(one: SimulatedLane, count: int) -> None:
    """So many that failed a moment ago, in a life of the relay before this one."""
    one.put(*[f"old-{n}" for n in range(count)])
    one.outbox.settle([nak(each, 0.0, [WHY]) for each in one.outbox.claim("siem", count)])


async def fresh(one: SimulatedLane, count: int, every: float) -> None:
    """Put something, again and again."""
    for n in range(count):
        one.put(f"fresh-{n}")
        await asyncio.sleep(every)


@pytest.mark.parametrize("every", [0.5, 7.0, 100.0])
def test_fresh_events_never_wait_for_old_ones_that_are_refused(lane: Any, every: float) -> None:
    async def story() -> None:
        await asyncio.sleep(300.0)  # the old ones have long shown that they fail
        await fresh(one, 60, every)

    with lane(is_old) as one:
        tried_before(one, 40)
        one.run(story)
        assert max(one.waited("fresh")) < 2 * LATENCY


@pytest.mark.parametrize(("slowness", "times_out"), [(30.0, True), (5.0, False)])
@pytest.mark.parametrize("every", [0.5, 7.0])
@pytest.mark.parametrize("order_by", [None, "data.user"])
def test_nor_for_old_ones_that_fail_slowly(
    lane: Any, slowness: float, times_out: bool, every: float, order_by: str | None
) -> None:
    async def story() -> None:
        await asyncio.sleep(300.0)
        await fresh(one, 60, every)

    with lane(is_old, order_by=order_by) as one:
        one.slowness, one.times_out = slowness, times_out
        tried_before(one, 40)
        one.run(story)
        assert max(one.waited("fresh")) < 2 * LATENCY
        assert one.lane.lane.pace.limit == 8, "it never was down"


def test_nor_for_old_ones_of_which_nobody_knows_yet_that_they_fail_slowly(lane: Any) -> None:
    async def story() -> None:
        one.put("first")
        await asyncio.sleep(1.0)
        tried_before(one, 40)
        one.lane.look()
        await fresh(one, 200, 0.5)

    with lane(is_old) as one:
        one.slowness, one.times_out = 30.0, True
        one.run(story)
        assert max(one.waited("fresh")) < 2 * LATENCY


def test_they_get_half_of_what_a_destination_can_take_and_more(lane: Any) -> None:
    async def story() -> None:
        await asyncio.sleep(300.0)
        one.put(*[f"fresh-{n}" for n in range(800)])
        await asyncio.sleep(800 * LATENCY / 8 * 2)

    with lane(is_old) as one:
        tried_before(one, 200)
        one.run(story)
        taken = sum(id.startswith("fresh") for id in one.taken)
        assert taken > 700, "of 800, in the time of 1600"


def test_with_one_request_at_a_time_they_wait_for_two_probes_at_most(lane: Any) -> None:
    async def story() -> None:
        await asyncio.sleep(300.0)
        await fresh(one, 60, 7.0)

    with lane(is_old, concurrency=1) as one:
        tried_before(one, 40)
        one.run(story)
        assert max(one.waited("fresh")) < 2 * 7.0


@pytest.mark.parametrize(("slowness", "times_out"), [(LATENCY, False), (30.0, True)])
def test_a_destination_that_is_dead_gets_few_requests_and_buries_nothing(
    lane: Any, slowness: float, times_out: bool
) -> None:
    async def story() -> None:
        await fresh(one, 360, 10.0)
        counted.append(len(one.requests))
        one.refuses = lambda _: False
        await asyncio.sleep(100.0)

    counted: list[int] = []
    with lane(lambda _: True, retry_config={"max_retries": 2}) as one:
        one.slowness, one.times_out = slowness, times_out
        tried_before(one, 40)
        one.run(story)
        assert counted[0] < HOUR / 30 + 30, "one probe in half a minute, and some to find out"
        assert len(one.taken) == 400
        assert one.outbox.counts()["siem"].dead == 0


def test_an_event_that_is_alone_outlives_an_outage(lane: Any) -> None:
    async def story() -> None:
        one.put("alone")
        await asyncio.sleep(HOUR)
        one.refuses = lambda _: False
        await asyncio.sleep(100.0)

    with lane(lambda _: True, retry_config={"max_retries": 4}, patience=2 * HOUR) as one:
        one.run(story)
        assert "alone" in one.taken
        assert len(one.requests) < HOUR / 30 + 30


def test_what_is_due_again_is_not_missed_by_a_millisecond(lane: Any) -> None:
    def refuses(ids: list[str]) -> bool:
        known = refused.issuperset(ids)
        refused.update(ids)
        return not known

    async def story() -> None:
        for n in range(100):
            one.put(f"fresh-{n}")
            await asyncio.sleep(5.0003)

    refused: set[str] = set()
    with lane(refuses) as one:
        one.run(story)
        assert max(one.waited("fresh")) < 2.0, "it is tried again after a second"


def test_old_ones_are_taken_while_what_is_fresh_is_refused(lane: Any) -> None:
    async def story() -> None:
        await fresh(one, 100, 3.0)

    with lane(lambda ids: not is_old(ids)) as one:
        tried_before(one, 40)
        one.run(story)
        assert max(one.waited("old")) < 60.0


@pytest.mark.parametrize(
    ("slowness", "times_out", "every"),
    [(LATENCY, False, 0.5), (5.0, False, 1.0), (30.0, True, 3.0)],
)
def test_what_fails_while_others_are_taken_is_given_up_on(
    lane: Any, slowness: float, times_out: bool, every: float
) -> None:
    async def story() -> None:
        await fresh(one, 600, every)

    with lane(is_old, retry_config={"max_retries": 3}) as one:
        one.slowness, one.times_out = slowness, times_out
        tried_before(one, 10)
        one.run(story)
        counts = one.outbox.counts()["siem"]
        assert (counts.dead, counts.delivered) == (10, 600)


def test_order_is_kept_for_each_key_and_no_key_waits_for_another(lane: Any) -> None:
    async def story() -> None:
        for n in range(40):
            for key in ("x", "y", "z"):
                one.put(f"{key}-{n}", key=key)
            await asyncio.sleep(10.0)
            one.refuses = lambda ids: ids[0].startswith("x")
        waited.extend(one.waited("y") + one.waited("z"))
        one.refuses = lambda _: False
        await asyncio.sleep(100.0)

    waited: list[float] = []
    retry = {"max_retries": 1000, "max_delay": 5.0}
    with lane(lambda _: False, order_by="data.user", retry_config=retry) as one:
        one.run(story)
        assert max(waited) < 5 * LATENCY
        for key in ("x", "y", "z"):
            assert [id for id in one.taken if id[0] == key] == [f"{key}-{n}" for n in range(40)]


def test_a_lane_that_drains_does_not_wait_for_old_ones_that_are_held_back(lane: Any) -> None:
    async def story() -> None:
        await asyncio.sleep(300.0)
        one.put("fresh")
        one.lane.drain(one.clock.monotonic() + HOUR)
        began = one.clock.monotonic()
        await one.ended
        assert one.clock.monotonic() - began < 100.0

    with lane(is_old) as one:
        tried_before(one, 40)
        one.run(story)
        assert "fresh" in one.taken
