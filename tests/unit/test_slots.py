"""What a lane claims next."""

from __future__ import annotations

from math import inf

import pytest

from vaulytica.outbox.delivery import Part
from vaulytica.outbox.states import State
from vaulytica.relay.lanes.slots import Slots

LATER = Part(state=State.DEFERRED, after=5.0, attempts=1)
UNTRIED = Part(state=State.DEFERRED)


def at_rest(width: int = 8, *, in_order: bool = False) -> Slots:
    """Nothing is known to be there."""
    slots = Slots(width, in_order=in_order)
    while slots.has_work(0.0):
        kind = slots.next_kind()
        assert kind is not None
        slots.asking(kind)
    return slots


def next_state(slots: Slots) -> State | str | None:
    kind = slots.next_kind()
    return "nothing" if kind is None else kind.only


def test_after_a_start_both_kinds_are_looked_for() -> None:
    slots = Slots(8, in_order=False)
    seen = []
    while slots.has_work(0.0):
        kind = slots.next_kind()
        seen.append(kind.only)
        slots.asking(kind)
    assert set(seen) == {State.FRESH, State.DEFERRED}
    assert slots.wait(0.0) == inf


def test_what_was_put_off_is_claimed_when_it_is_due() -> None:
    slots = at_rest()
    slots.put_back(LATER, 10.0)
    assert not slots.has_work(15.0), "the outbox may not know it yet: it rounds"
    assert slots.wait(14.0) == pytest.approx(1.002)
    assert slots.has_work(15.01)
    assert next_state(slots) is State.DEFERRED


def test_what_was_not_tried_is_there_at_once() -> None:
    slots = at_rest()
    slots.put_back(UNTRIED, 0.0)
    assert slots.has_work(0.0)


@pytest.mark.parametrize(("width", "most"), [(8, 4), (3, 1), (2, 1), (1, 1)])
def test_retries_get_half_of_the_slots_while_there_is_something_fresh(
    width: int, most: int
) -> None:
    slots = at_rest(width)
    slots.see()
    retries = 0
    for _ in range(20):
        kind = slots.next_kind()
        slots.asking(kind)
        slots.found(kind, plenty=False)
        if kind.only is State.DEFERRED:
            slots.retrying += 1
            retries += 1
    assert retries == most
    assert next_state(slots) is State.FRESH


def test_no_more_retries_are_claimed_than_may_begin() -> None:
    slots = at_rest(8)
    slots.see()
    assert next_state(slots) is State.DEFERRED
    assert [slots.bound(slots.next_kind(), requests) for requests in (8, 2)] == [4, 2]
    slots.retrying = 3
    assert slots.bound(slots.next_kind(), 8) == 1
    assert slots.bound(slots.next_kind(held=True), 5) == 5, "of what is fresh, as many as wanted"


@pytest.mark.parametrize("in_order", [False, True])
def test_while_retries_are_held_back_only_what_is_fresh_is_claimed(in_order: bool) -> None:
    slots = at_rest(8, in_order=in_order)
    slots.see()
    kind = slots.next_kind(held=True)
    assert kind.only is State.FRESH
    slots.asking(kind)
    assert slots.next_kind(held=True) is None
    assert slots.has_work(0.0), "the others are not forgotten"
    assert next_state(slots) is (None if in_order else State.DEFERRED)


@pytest.mark.parametrize("width", [1, 8])
def test_they_take_turns_where_there_is_one_slot(width: int) -> None:
    slots = at_rest(width)
    slots.allow(1.0, 1.0)
    slots.see()
    seen = []
    for _ in range(4):
        kind = slots.next_kind()
        slots.asking(kind)
        slots.found(kind, plenty=False)
        seen.append(kind.only)
    assert sorted(seen[:2]) == sorted(seen[2:]) == [State.DEFERRED, State.FRESH]


def test_a_slot_stays_free_for_what_is_fresh() -> None:
    slots = at_rest(4)
    slots.put_back(LATER, 0.0)
    assert slots.has_work(5.01)
    slots.retrying = 3
    assert next_state(slots) == "nothing"
    slots.fresh = True
    assert next_state(slots) is State.FRESH


def test_in_order_the_outbox_decides_while_there_is_room_for_either() -> None:
    slots = at_rest(8, in_order=True)
    slots.see()
    slots.retrying = 3
    assert next_state(slots) is None
    assert slots.bound(slots.next_kind(), 5) == 1, "all of it may be old"
    slots.retrying = 4
    assert next_state(slots) is State.FRESH


@pytest.mark.parametrize(
    ("limit", "again", "fresh", "most"),
    [(8.0, 8.0, True, 4), (8.0, 8.0, False, 7), (2.9, 2.9, True, 1), (2.9, 2.9, False, 1),
     (8.0, 1.0, True, 1), (8.0, 3.0, False, 3), (1.0, 1.0, True, 1)],
)  # fmt: skip
def test_half_is_kept_of_what_the_pace_allows_and_not_of_what_it_might(
    limit: float, again: float, fresh: bool, most: int
) -> None:
    slots = at_rest(8)
    slots.see()
    slots.fresh = fresh
    slots.allow(limit, again)
    assert next_state(slots) is State.DEFERRED
    assert slots.bound(slots.next_kind(), 8) == most


def test_what_is_put_during_a_claim_is_not_missed() -> None:
    slots = at_rest()
    slots.fresh = True
    slots.asking(slots.next_kind())
    slots.fresh = True  # and the claim finds nothing
    assert slots.has_work(0.0)


def test_what_is_told_again_and_again_is_kept_once() -> None:
    slots = at_rest()
    for jitter in (0.0, -0.02, 0.03, -0.05):
        slots.first_due(20.0 + jitter)
    assert slots.wait(10.0) == pytest.approx(10.002)
    slots.first_due(15.0)
    assert slots.wait(10.0) == pytest.approx(5.002)
    assert slots.has_work(20.01)
    assert slots.wait(20.01) == inf
