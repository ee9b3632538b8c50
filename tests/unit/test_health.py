"""What is wrong with a destination as a whole, and when it is tried again."""

from __future__ import annotations

from math import inf

import pytest

from support.heart import guide_event
from vaulytica.delivery.batching import Batch, Item
from vaulytica.delivery.kept import Later, Redelivery
from vaulytica.delivery.outcome import Delivered, Reason, ReasonKind
from vaulytica.delivery.report import Settlement
from vaulytica.delivery.standing import Failed
from vaulytica.relay.lanes.health import FIRST, LONGEST, Health, News

ITEM = Item(0, "id", b"x", guide_event())


def put_off(status: int | None, kind: ReasonKind = ReasonKind.REJECTED, down: bool = False):
    reason = Reason(kind, f"HTTP {status}", status)
    later = Later((ITEM,), 1.0, 1, 0, None, (Failed(0.0, reason),))
    return Redelivery(Settlement(), [later], {}, down=reason.text if down else None)


GONE = put_off(410, down=True)
WHO = put_off(401, ReasonKind.AUTH, down=True)
BUSY = put_off(503, ReasonKind.THROTTLED)
NOWHERE = put_off(404)


def taken():
    settlement = Settlement()
    settlement.take(Batch((ITEM,)), Delivered(200), 1)
    return Redelivery(settlement, [], {})


def test_refused_credentials_suspend_for_longer_each_time() -> None:
    health = Health()
    assert health.heed(WHO, 100.0) is News.SUSPENDED
    waits = [health.wait(100.0)]
    for _ in range(10):
        assert health.heed(WHO, 100.0) is None, "it is no news any more"
        waits.append(health.wait(100.0))
    assert waits[:3] == [FIRST, 2 * FIRST, 4 * FIRST]
    assert waits[-1] == LONGEST
    assert health.heed(taken(), 200.0) is News.WELL
    assert (health.why, health.wait(200.0)) == (None, 0.0)
    assert health.heed(taken(), 200.0) is None


def test_a_403_that_is_of_the_key_suspends_at_once() -> None:
    reason = Reason(ReasonKind.AUTH, "HTTP 403: Invalid token", 403, of_all=True)
    later = Later((ITEM,), 1.0, 1, 0, None, (Failed(0.0, reason),))
    health = Health()
    made = Redelivery(Settlement(), [later], {}, down=reason.text)
    assert health.heed(made, 0.0) is News.SUSPENDED
    assert not health.is_doubted


def test_410_waits_until_somebody_has_looked() -> None:
    health = Health()
    assert health.heed(GONE, 0.0) is News.GONE
    assert (health.wait(1e9), health.is_gone) == (inf, True)
    assert health.heed(WHO, 5.0) is None
    assert health.is_gone
    health.resume()
    assert health.wait(0.0) == 0.0
    assert health.heed(GONE, 6.0) is News.GONE


def test_what_a_wrong_url_gets_suspends_the_third_time_in_a_row() -> None:
    health = Health()
    assert not health.is_doubted
    assert health.heed(NOWHERE, 0.0) is None
    assert health.is_doubted
    assert health.heed(taken(), 0.0) is None
    assert not health.is_doubted
    assert [health.heed(NOWHERE, 0.0) for _ in range(3)] == [None, None, News.SUSPENDED]
    assert health.why is not None
    assert health.why.status == 404


@pytest.mark.parametrize("made", [BUSY, put_off(None, ReasonKind.UNREACHABLE)])
def test_a_destination_that_is_busy_or_down_is_the_breakers_business(made) -> None:
    health = Health()
    assert [health.heed(made, 0.0) for _ in range(9)] == [None] * 9
    assert health.wait(0.0) == 0.0
