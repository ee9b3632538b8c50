"""What any outbox does with a destination that is paused."""

from __future__ import annotations

from typing import Any

import pytest

from support.outbox import ids_in, parcel
from vaulytica.outbox.delivery import ack


def test_nothing_is_claimed_of_what_is_paused_and_all_is_kept(outbox: Any, clock: Any) -> None:
    outbox.put(parcel("a"), ["siem", "soc"])
    under_way = outbox.claim("siem")
    made = outbox.pause("siem", "maintenance")
    assert (made.since, made.why, made.by_hand) == (clock.time(), "maintenance", True)
    outbox.put(parcel("b"), ["siem"])
    assert outbox.claim("siem") == []
    assert ids_in(*outbox.claim("soc")) == ["a"]
    assert outbox.settle([ack(delivery) for delivery in under_way]) == []
    assert outbox.counts()["siem"].pending == 1
    assert outbox.paused() == {"siem": made}
    assert outbox.resume(["soc", "siem"]) == ["siem"]
    assert outbox.paused() == {}
    assert ids_in(*outbox.claim("siem")) == ["b"]


def test_who_has_paused_it_is_told_apart(outbox: Any) -> None:
    outbox.pause("siem", "HTTP 410: moved", by_hand=False)
    outbox.pause("new", "not yet")
    assert outbox.resume(["siem", "new"], by_hand=False) == ["siem"]
    assert list(outbox.paused()) == ["new"]
    assert outbox.resume(["siem", "new", "unknown"], by_hand=True) == ["new"]


@pytest.mark.parametrize("why", ["", "a\nb", "\u2028\x00"])
def test_any_reason_comes_back_as_it_was(outbox: Any, why: str) -> None:
    outbox.pause("siem", why)
    assert outbox.paused()["siem"].why == why
