"""What is put in shares: all in one step, once for a key, and with the mark of how far its source was read."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

import pytest

from support.outbox import everything, ids_in, parcel
from vaulytica.errors import IdempotencyConflictError
from vaulytica.outbox.delivery import Mark, Once, Share

TWO = [Share(parcel("a", "c"), ("siem",)), Share(parcel("b"), ("other", "siem"), "key")]
IDS = ("a", "b", "c")


def test_shares_go_their_ways(outbox: Any) -> None:
    assert outbox.put_shares(TWO, IDS).ids == IDS
    assert sorted(ids_in(*outbox.claim("siem"))) == ["a", "b", "c"]
    (delivery,) = outbox.claim("other")
    assert (ids_in(delivery), delivery.key) == (["b"], "key")


def test_all_shares_of_one_key_are_kept_once(outbox: Any) -> None:
    first = outbox.put_shares(TWO, IDS, once=Once("k", "digest"))
    again = outbox.put_shares(
        [Share(parcel("x"), ("third",))], ("x",), once=Once("k", "digest"), mark=Mark("tail:1", "1")
    )
    assert (first.ids, first.repeated) == (IDS, False)
    assert (again.ids, again.repeated) == (IDS, True)
    assert ("third" in outbox.counts(), outbox.marks()) == (False, {"tail:1": "1"})


def test_a_key_with_another_digest_keeps_nothing_and_moves_no_mark(outbox: Any) -> None:
    outbox.put_shares(TWO, IDS, once=Once("k", "digest"), mark=Mark("tail:1", "100"))
    before = outbox.counts()
    with pytest.raises(IdempotencyConflictError, match="the idempotency key 'k' was used before"):
        outbox.put_shares(TWO, IDS, once=Once("k", "other"), mark=Mark("tail:1", "200"))
    assert (outbox.counts(), outbox.marks()) == (before, {"tail:1": "100"})


def test_a_mark_is_kept_with_the_events(outbox: Any, reopen: Any) -> None:
    outbox.put_shares(TWO, IDS, mark=Mark("tail:1", "100"))
    outbox.put_shares([], (), mark=Mark("tail:2", "7"))
    outbox.put_shares([], (), mark=Mark("tail:1", "150"))
    outbox.put_shares([], (), mark=Mark("other", "1"))
    assert reopen().marks("tail:") == {"tail:1": "150", "tail:2": "7"}
    outbox.forget(["tail:1", "unknown"])
    assert outbox.marks() == {"tail:2": "7", "other": "1"}


def test_a_mark_moves_only_if_the_events_are_kept(outbox: Any) -> None:
    """A fault in between takes both back."""
    outbox.put_shares([], (), mark=Mark("tail:1", "100"))
    other = sqlite3.connect(outbox.path)
    other.execute(
        "CREATE TRIGGER fault BEFORE INSERT ON outbox_delivery BEGIN SELECT RAISE(ABORT, 'fault'); END"
    )
    other.commit()
    with pytest.raises(Exception, match="fault"):
        outbox.put_shares(TWO, IDS, once=Once("k", "digest"), mark=Mark("tail:1", "200"))
    assert outbox.marks() == {"tail:1": "100"}
    assert list(everything(outbox)) == []
    other.execute("DROP TRIGGER fault")
    other.commit()
    other.close()
    assert not outbox.put_shares(
        TWO, IDS, once=Once("k", "digest"), mark=Mark("tail:1", "200")
    ).repeated
    assert outbox.marks() == {"tail:1": "200"}


def test_the_same_for_asyncio(outbox: Any) -> None:
    async def main() -> None:
        one, two = await asyncio.gather(
            *[
                outbox.aio.put_shares(TWO, IDS, once=Once("k", "digest"), mark=Mark("s", "1"))
                for _ in range(2)
            ]
        )
        assert [one.repeated, two.repeated] == [False, True]
        assert await outbox.aio.marks() == {"s": "1"}
        await outbox.aio.forget(["s"])
        assert await outbox.aio.marks() == {}

    asyncio.run(main())
