"""What every outbox must hold to where a worker takes several of one key at a time: none overtakes another."""

from __future__ import annotations

from typing import Any

from support.outbox import WHY, OwnClock, ids_in, parcel, the_law
from vaulytica.outbox.delivery import Filter, ack, bury, give_back, nak
from vaulytica.outbox.states import Step


def put(outbox: Any, *ids: str, key: str = "k") -> None:
    for id in ids:
        outbox.put(parcel(id), ["siem"], key=key)


def test_those_that_follow_each_other_are_claimed_together_up_to_a_bound(outbox: Any) -> None:
    put(outbox, "1", "2", "3", "4", "5")
    put(outbox, "x", "y", key="l")
    claimed = outbox.claim("siem", together=3)
    assert [(one.key, ids_in(one)[0]) for one in claimed] == [
        ("k", "1"), ("k", "2"), ("k", "3"), ("l", "x"), ("l", "y")
    ]  # fmt: skip
    assert outbox.claim("siem", together=3) == [], "what is behind waits"
    outbox.settle([ack(one) for one in claimed])
    assert ids_in(*outbox.claim("siem", together=3)) == ["4", "5"]


def test_a_claim_is_of_so_many_events_in_all(outbox: Any) -> None:
    put(outbox, "1", "2", "3", "4")
    assert ids_in(*outbox.claim("siem", 2, together=10)) == ["1", "2"]


def test_put_off_together_they_are_claimed_together_whatever_is_told_first(outbox: Any) -> None:
    put(outbox, "1", "2", "3")
    for turn in (lambda some: some, lambda some: some[::-1]):
        claimed = outbox.claim("siem", together=2)
        assert ids_in(*claimed) == ["1", "2"]
        outbox.settle(turn([nak(one, 0.0, [WHY]) for one in claimed]))
    claimed = outbox.claim("siem", together=2)
    outbox.settle([give_back(one) for one in claimed])
    the_law(outbox)
    assert ids_in(*outbox.claim("siem")) == ["1"]
    assert outbox.claim("siem") == []


def test_one_that_is_put_off_holds_up_those_behind_it(outbox: Any, clock: OwnClock) -> None:
    put(outbox, "1", "2", "3", "4")
    one, two, three = outbox.claim("siem", together=3)
    outbox.settle([ack(one), nak(two, 10.0, [WHY]), nak(three, 0.0)])
    assert outbox.claim("siem", together=10) == []
    clock.pass_by(10)
    assert ids_in(*outbox.claim("siem", together=10)) == ["2"], "the others have another past"


def test_after_a_lease_that_ran_out_none_goes_before_the_first(
    outbox: Any, clock: OwnClock
) -> None:
    put(outbox, "1", "2", "3")
    assert len(outbox.claim("siem", lease=5.0, together=2)) == 2
    clock.pass_by(6)
    (first,) = outbox.claim("siem", 1)
    assert ids_in(first) == ["1"]
    assert outbox.claim("siem", 10) == [], "the second is held again"
    outbox.settle([bury(first, WHY)])
    assert ids_in(*outbox.claim("siem", 10)) == ["2"]
    the_law(outbox)


def test_after_a_lease_that_ran_out_those_that_are_held_overtake_none_of_it(
    outbox: Any, clock: OwnClock
) -> None:
    put(outbox, "1", "2", "3", "4")
    assert len(outbox.claim("siem", lease=5.0, together=2)) == 2
    clock.pass_by(6)
    seen = []
    while claimed := outbox.claim("siem", together=10):
        seen += ids_in(*claimed)
        outbox.settle([ack(one) for one in claimed])
    assert seen == ["1", "2", "3", "4"]


def test_a_part_of_a_dead_letter_that_is_replayed_waits_for_nobody(outbox: Any) -> None:
    outbox.put(parcel("1", "2"), ["siem"], key="k")
    outbox.settle([bury(one, WHY) for one in outbox.claim("siem")])
    assert outbox.move(Step.REPLAY, Filter(grep="^2$")).events == 1
    assert ids_in(*outbox.claim("siem")) == ["2"]
