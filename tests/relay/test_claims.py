"""What a lane takes out of the outbox, and when it looks again: with a real one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Any

import pytest

from support.outbox import OwnClock, ids_in, parcel
from vaulytica.errors import OutboxError
from vaulytica.outbox.delivery import nak
from vaulytica.outbox.sqlite import SqliteOutbox
from vaulytica.relay.config import DestinationSettings
from vaulytica.relay.lanes.claims import Claims
from vaulytica.relay.lanes.writer import AGAIN
from vaulytica.relay.watching.metrics import Metrics
from vaulytica.relay.watching.watch import Watch


@pytest.fixture
def clock() -> OwnClock:
    return OwnClock()


@pytest.fixture
def outbox(tmp_path: Path, clock: OwnClock) -> Iterator[SqliteOutbox]:
    with SqliteOutbox(tmp_path / "outbox.db", clock=clock) as made:
        yield made


class Log:
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def info(self, event: str, **_: Any) -> None:
        self.said.append(event)

    warning = error = info


def claims(outbox: Any, log: Log | None = None) -> Claims:
    destination = DestinationSettings(url="http://127.0.0.1:9", format="json").destination()
    watch = Watch(log or Log(), Metrics())
    return Claims("siem", outbox, destination, watch, in_order=False)


def test_when_there_is_none_of_one_kind_the_other_is_looked_for_at_once(
    outbox: SqliteOutbox,
) -> None:
    outbox.put(parcel("a"), ["siem"])

    async def told() -> list[Any]:
        these = claims(outbox.aio)
        return [await these.take(100.0, 8, is_busy=False) for _ in range(4)]

    nothing, (delivery,), nor, rest = asyncio.run(told())
    assert nothing == nor == 0.0, "neither says that there is nothing"
    assert ids_in(delivery) == ["a"]
    assert rest == inf


def test_where_the_outbox_cannot_be_asked_it_is_asked_again(outbox: SqliteOutbox) -> None:
    class Broken:
        """Fails once."""

        calls = 0

        async def claim(self, *args: Any, **settings: Any) -> Any:
            self.calls += 1
            if self.calls == 1:
                raise OutboxError("disk I/O error")
            return await outbox.aio.claim(*args, **settings)

    outbox.put(parcel("a"), ["siem"])
    broken, log = Broken(), Log()

    async def told() -> list[Any]:
        these = claims(broken, log)
        moments = (100.0, 100.0 + AGAIN / 2, 100.0 + AGAIN, 100.0 + AGAIN)
        return [await these.take(now, 8, is_busy=False) for now in moments]

    failed, waits, *found = asyncio.run(told())
    assert (failed, waits) == (AGAIN, AGAIN / 2)
    assert [ids_in(delivery) for some in found if some for delivery in some] == [["a"]]
    assert log.said == ["outbox cannot be written"]


def test_what_is_left_is_what_the_outbox_says(outbox: SqliteOutbox, clock: OwnClock) -> None:
    async def left() -> tuple[float, float]:
        these = claims(outbox.aio)
        while these.slots.has_work(100.0):
            await these.take(100.0, 8, is_busy=False)
        return await these.left(100.0), these.slots.wait(100.0)

    assert asyncio.run(left()) == (inf, inf)
    outbox.put(parcel("a"), ["siem", "other"])
    outbox.settle([nak(delivery, 30.0) for delivery in outbox.claim("siem")])
    assert asyncio.run(left()) == (30.0, pytest.approx(30.002)), "as another process has put it off"
    clock.pass_by(30.0)
    assert outbox.due("siem") == {"siem": 0.0}


def test_what_is_paused_is_not_waited_for(outbox: SqliteOutbox) -> None:
    outbox.put(parcel("a"), ["siem"])
    outbox.pause("siem", "by hand")

    async def told() -> list[Any]:
        these = claims(outbox.aio)
        taken = [await these.take(100.0, 8, is_busy=False) for _ in range(3)]
        return [*taken, await these.left(100.0)]

    assert asyncio.run(told()) == [0.0, 0.0, inf, inf]


def test_what_has_come_meanwhile_is_left_to_be_claimed(outbox: SqliteOutbox) -> None:
    async def told() -> list[Any]:
        these = claims(outbox.aio)
        while these.slots.has_work(100.0):
            await these.take(100.0, 8, is_busy=False)
        outbox.put(parcel("a"), ["siem"])
        wait = await these.left(100.0)
        found = [await these.take(100.0 + wait, 8, is_busy=False) for _ in range(2)]
        return [wait, *[ids_in(*some) for some in found if some]]

    wait, *found = asyncio.run(told())
    assert 0 < wait < 1
    assert found == [["a"]]
