"""What the outbox is known to hold, where somebody looks while events come."""

from __future__ import annotations

import pytest

from vaulytica.relay.config import FullSettings
from vaulytica.relay.door.accept import Full
from vaulytica.relay.door.room import Room


async def nothing_goes(**_: object) -> dict[str, int]:
    return {}


def test_what_comes_while_somebody_looks_is_not_forgotten():
    room = Room(FullSettings(events=50), nothing_goes)
    before = room.ended
    room.make(50, 5000)
    room.know(0, 0, before)  # it had looked before these were on disk
    with pytest.raises(Full, match="50 events are pending"):
        room.make(1, 100)
    room.end(50, 5000)
    room.know(50, 5000, room.ended)
    with pytest.raises(Full):
        room.make(1, 100)
    assert room.is_full


def test_what_has_ended_is_counted_by_the_outbox_alone():
    room = Room(FullSettings(events=50), nothing_goes)
    room.make(50, 5000)
    room.end(50, 5000)
    room.know(49, 4900, room.ended)
    room.make(1, 100)
    with pytest.raises(Full):
        room.make(1, 100)
