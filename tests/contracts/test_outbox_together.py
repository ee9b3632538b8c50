"""What every outbox must hold to: over time, and for many callers."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from support.outbox import WHY, OwnClock, dead, everything, ids_in, parcel, the_law
from vaulytica.errors import OutboxError, WebhookConfigError
from vaulytica.outbox import open_outbox
from vaulytica.outbox.delivery import (
    Filter,
    Part,
    Verdict,
    ack,
    nak,
)
from vaulytica.outbox.states import State

# --- Over time, and together.


def test_all_is_there_when_it_is_opened_again(reopen: Any, clock: OwnClock) -> None:
    outbox = reopen()
    events = parcel("a")
    outbox.put(events, ["siem"], idempotency_key="K")
    dead(outbox, "b")
    outbox.put(parcel("c"), ["siem"])
    before = outbox.counts()
    outbox.close()
    again = reopen()
    assert again.counts() == before
    assert ids_in(*everything(again)) == ["a", "b", "c"]
    assert again.put(events, ["siem"], idempotency_key="K").repeated
    the_law(again)


@pytest.mark.parametrize("jump", [-86400.0, 86400.0])
def test_a_clock_that_jumps_neither_stalls_nor_loses(
    reopen: Any, clock: OwnClock, jump: float
) -> None:
    outbox = reopen()
    outbox.put(parcel("a", "b"), ["siem"])
    (delivery,) = outbox.claim("siem", lease=60.0)
    outbox.settle([nak(delivery, 30.0, [WHY])])
    clock.jump(jump)
    assert outbox.claim("siem") == []  # it is the same outbox, and no time has passed
    outbox.close()
    outbox = reopen()
    outbox.put(parcel("c"), ["siem"])
    clock.pass_by(31)
    assert sorted(ids_in(*outbox.claim("siem"))) == ["a", "b", "c"]
    clock.jump(-jump)
    clock.pass_by(61)
    assert sorted(ids_in(*outbox.claim("siem"))) == ["a", "b", "c"]
    the_law(outbox)


def test_many_threads_share_one(outbox: Any) -> None:
    kept: list[str] = []

    def put(name: int) -> None:
        for number in range(20):
            kept.extend(outbox.put(parcel(f"{name}-{number}"), ["siem"]).ids)

    threads = [threading.Thread(target=put, args=(name,)) for name in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ids_in(*outbox.claim("siem", 1000))) == sorted(kept)
    assert len(kept) == 320


def test_one_call_that_fails_harms_none_that_is_made_with_it(outbox: Any) -> None:
    outbox.put(parcel("a", "b"), ["siem"])
    (delivery,) = outbox.claim("siem")

    async def together() -> list[Any]:
        bad = Verdict(delivery, (Part(state=State.DELIVERED, lines=[0]),))
        calls = [outbox.aio.put(parcel(f"x{n}"), ["other"]) for n in range(5)]
        return await asyncio.gather(
            *calls, outbox.aio.settle([bad]), outbox.aio.put(parcel("y"), ["other"]),
            return_exceptions=True,
        )  # fmt: skip

    *good, bad, last = asyncio.run(together())
    assert isinstance(bad, ValueError)
    assert [receipt.ids for receipt in (*good, last)] == [(f"x{n}",) for n in range(5)] + [("y",)]
    assert sorted(ids_in(*outbox.claim("other"))) == ["x0", "x1", "x2", "x3", "x4", "y"]


def test_it_works_under_asyncio(outbox: Any) -> None:
    async def run() -> None:
        receipts = await asyncio.gather(
            *[outbox.aio.put(parcel(f"{n}"), ["siem"]) for n in range(50)]
        )
        assert len({receipt.ids for receipt in receipts}) == 50
        claimed = await outbox.aio.claim("siem")
        assert await outbox.aio.extend(claimed) == []
        assert await outbox.aio.settle([ack(delivery) for delivery in claimed]) == []
        assert (await outbox.aio.counts())["siem"].delivered == 50
        assert (await outbox.aio.audit()).problems == []
        assert await outbox.aio.total(Filter()) == (0, 0)

    asyncio.run(run())


def test_a_closed_one_says_so(reopen: Any) -> None:
    outbox = reopen()
    outbox.close()
    with pytest.raises(OutboxError, match="is closed"):
        outbox.put(parcel("a"), ["siem"])


def test_a_second_owner_is_refused_and_others_are_not(reopen: Any) -> None:
    owner = reopen(owner=True)
    with pytest.raises(OutboxError, match="in use by another relay"):
        reopen(owner=True)
    reopen().put(parcel("a"), ["siem"])
    assert ids_in(*owner.claim("siem")) == ["a"]
    owner.close()
    # What the owner before it had claimed, nobody has.
    assert ids_in(*reopen(owner=True).claim("siem")) == ["a"]


@pytest.mark.parametrize("url", ["outbox.db", "nosuch:///x", "sqlite://", "sqlite://relative.db"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(WebhookConfigError, match="outbox"):
        open_outbox(url)
