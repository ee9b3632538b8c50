"""What every outbox must hold to, on behaviour: put, claim, settle. A store in `OUTBOXES` is tested by itself."""

from __future__ import annotations

from typing import Any

import pytest

from support.outbox import NEVER, URLS, WHY, OwnClock, everything, ids_in, parcel
from vaulytica.errors import WebhookConfigError, WebhookEventError
from vaulytica.events import Event
from vaulytica.lines import decode
from vaulytica.outbox import OUTBOXES
from vaulytica.outbox.delivery import (
    Part,
    Tried,
    Verdict,
    ack,
    bury,
    give_back,
    nak,
)
from vaulytica.outbox.states import State


def test_every_store_is_tested() -> None:
    assert list(URLS) == OUTBOXES.names()


# --- Put and claim.


def test_what_is_put_is_claimed_whole_and_in_order(outbox: Any) -> None:
    outbox.put(parcel("a", "b"), ["siem"])
    outbox.put(parcel("c"), ["siem"])
    claimed = outbox.claim("siem")
    assert ids_in(*claimed) == ["a", "b", "c"]
    assert sum(delivery.events for delivery in claimed) == 3
    assert outbox.claim("siem") == []


def test_events_come_back_as_they_went_in(outbox: Any) -> None:
    given = [
        Event.create("t", {"text": "ü\ud800\n", "n": 2**80, "x": [None, 1.5]}, "critical"),
        Event.create("t2", {}, source="s", metadata={"index": "main"}, timestamp=1.5, id="i"),
    ]
    assert outbox.put(given, ["siem"]).ids == tuple(event.id for event in given)
    (delivery,) = outbox.claim("siem")
    entries, _ = decode(delivery.body, 0)
    assert [e.event() if hasattr(e, "event") else Event.from_mapping(e) for e in entries] == given


def test_each_destination_has_its_own_delivery(outbox: Any) -> None:
    outbox.put(parcel("a"), ["one", "two"])
    (of_one,) = outbox.claim("one")
    outbox.settle([ack(of_one)])
    assert ids_in(*outbox.claim("two")) == ["a"]
    counts = outbox.counts()
    assert (counts["one"].delivered, counts["one"].pending) == (1, 0)
    assert (counts["two"].delivered, counts["two"].pending) == (0, 1)


def test_a_claim_takes_so_many_events_and_one_delivery_at_least(outbox: Any) -> None:
    for name in "abcd":
        outbox.put(parcel(f"{name}1", f"{name}2"), ["siem"])
    assert ids_in(*outbox.claim("siem", 1)) == ["a1", "a2"]
    assert ids_in(*outbox.claim("siem", 5)) == ["b1", "b2", "c1", "c2"]


def test_nothing_is_claimed_of_a_destination_that_has_nothing(outbox: Any) -> None:
    assert outbox.claim("unknown") == []


@pytest.mark.parametrize("destinations", [[], "siem"])
def test_put_needs_destinations(outbox: Any, destinations: Any) -> None:
    with pytest.raises(WebhookConfigError, match="list of the destinations"):
        outbox.put(parcel("a"), destinations)


def test_an_event_that_is_none_is_refused_and_nothing_of_the_call_kept(outbox: Any) -> None:
    with pytest.raises(WebhookEventError):
        outbox.put([{"type": "t"}, {"data": {}}], ["siem"])
    assert outbox.counts() == {}


# --- How claims end.


def test_nak_puts_back_for_later(outbox: Any, clock: OwnClock) -> None:
    outbox.put(parcel("a"), ["siem"])
    (first,) = outbox.claim("siem")
    assert (first.attempts, first.charged, first.age, first.tried) == (0, 0, 0.0, ())
    outbox.settle([nak(first, 30.0, [WHY])])
    clock.pass_by(29.9)
    assert outbox.claim("siem") == []
    clock.pass_by(0.2)
    (again,) = outbox.claim("siem")
    assert (again.attempts, again.charged, again.tried) == (1, 1, (WHY,))
    assert again.age == pytest.approx(30.1)


def test_what_is_given_back_untried_keeps_its_place(outbox: Any, clock: OwnClock) -> None:
    outbox.put(parcel("a"), ["siem"])
    clock.pass_by(1)
    outbox.put(parcel("b"), ["siem"])
    clock.pass_by(1)
    (first,) = outbox.claim("siem", 1)
    outbox.settle([give_back(first)])
    (again,) = outbox.claim("siem", 1, only=State.FRESH)
    assert ids_in(again) == ["a"]


def test_a_partial_answer_splits(outbox: Any, clock: OwnClock) -> None:
    outbox.put(parcel("a", "b", "c", "d"), ["siem", "other"])
    (delivery,) = outbox.claim("siem")
    parts = (
        Part(state=State.DELIVERED, lines=[0, 3], attempts=1),
        Part(state=State.DEAD, lines=[1], attempts=1, tried=(NEVER,)),
        Part(state=State.DEFERRED, lines=[2], attempts=1, charged=1, after=5.0, tried=(WHY,)),
    )
    assert outbox.settle([Verdict(delivery, parts)]) == []
    counts = outbox.counts()["siem"]
    assert (counts.delivered, counts.dead, counts.pending) == (2, 1, 1)
    clock.pass_by(6)
    (rest,) = outbox.claim("siem")
    assert (ids_in(rest), rest.attempts, rest.tried) == (["c"], 1, (WHY,))
    (dead,) = everything(outbox, states=(State.DEAD,))
    assert (ids_in(dead), dead.tried, dead.attempts) == (["b"], (NEVER,), 1)
    assert ids_in(*outbox.claim("other")) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("lines", [[[0]], [[0, 1, 1]], [[0], [1, 2]], [[0, 1], [1]]])
def test_parts_that_are_not_the_whole_are_refused(outbox: Any, lines: list[list[int]]) -> None:
    outbox.put(parcel("a", "b"), ["siem"])
    (delivery,) = outbox.claim("siem")
    parts = tuple(Part(state=State.DELIVERED, lines=places) for places in lines)
    with pytest.raises(ValueError, match="are not its 2 events"):
        outbox.settle([Verdict(delivery, parts)])
    assert outbox.settle([ack(delivery)]) == []


def test_a_claim_that_ran_out_goes_to_another_and_cannot_be_settled(
    outbox: Any, clock: OwnClock
) -> None:
    outbox.put(parcel("a"), ["siem"])
    (slow,) = outbox.claim("siem", lease=10.0)
    clock.pass_by(10.1)
    (other,) = outbox.claim("siem", lease=10.0)
    for verdict in (ack(slow), nak(slow, 0.0), bury(slow, NEVER), give_back(slow)):
        assert outbox.settle([verdict]) == [slow]
    assert outbox.extend([slow]) == [slow]
    assert outbox.counts()["siem"].pending == 1
    assert outbox.settle([ack(other)]) == []
    assert outbox.settle([ack(other)]) == [other]


def test_a_claim_may_be_extended(outbox: Any, clock: OwnClock) -> None:
    outbox.put(parcel("a"), ["siem"])
    (delivery,) = outbox.claim("siem", lease=10.0)
    clock.pass_by(9)
    assert outbox.extend([delivery], 10.0) == []
    clock.pass_by(9)
    assert outbox.claim("siem") == []
    assert outbox.settle([ack(delivery)]) == []


def test_fresh_and_deferred_ones_can_be_claimed_apart(outbox: Any, clock: OwnClock) -> None:
    outbox.put(parcel("old"), ["siem"])
    (delivery,) = outbox.claim("siem")
    outbox.settle([nak(delivery, 0.0, [WHY])])
    outbox.put(parcel("new"), ["siem"])
    clock.pass_by(1)
    assert ids_in(*outbox.claim("siem", only=State.FRESH)) == ["new"]
    assert ids_in(*outbox.claim("siem", only=State.DEFERRED)) == ["old"]


def test_only_so_many_attempts_are_remembered(outbox: Any) -> None:
    outbox.put(parcel("a"), ["siem"])
    for number in range(50):
        (delivery,) = outbox.claim("siem")
        outbox.settle([nak(delivery, 0.0, [Tried(number, f"no {number}")])])
    (delivery,) = outbox.claim("siem")
    assert delivery.attempts == 50
    assert [tried.text for tried in delivery.tried] == [
        f"no {number}" for number in (0, 1, 2, *range(43, 50))
    ]


@pytest.mark.parametrize("jump", [-86400.0, 0.0, 86400.0])
def test_attempts_are_at_times_by_the_outboxs_clock(
    outbox: Any, clock: OwnClock, jump: float
) -> None:
    """As `kept` and `due` are, however the system's clock is set meanwhile."""
    outbox.put(parcel("a"), ["siem"])
    for _ in range(3):
        clock.jump(jump)
        clock.pass_by(10)
        (delivery,) = outbox.claim("siem")
        at = clock.time()
        clock.pass_by(2)
        outbox.settle([nak(delivery, 0.0, [Tried(at, "no")])])
    (kept,) = everything(outbox)
    assert [tried.at - kept.kept for tried in kept.tried] == [10.0, 22.0, 34.0]
    assert kept.due - kept.kept == 36.0


def test_an_attempt_is_neither_before_its_event_was_kept_nor_to_come(
    outbox: Any, clock: OwnClock
) -> None:
    outbox.put(parcel("a"), ["siem"])
    for jump in (1000.0, -2000.0):
        (delivery,) = outbox.claim("siem")
        at = clock.time()
        clock.pass_by(5)
        clock.jump(jump)  # between the attempt and its being written down
        outbox.settle([nak(delivery, 0.0, [Tried(at, "no")])])
    (kept,) = everything(outbox)
    assert [tried.at - kept.kept for tried in kept.tried] == [0.0, 10.0]


# --- In order, by key.


def test_of_one_key_one_delivery_is_claimed_at_a_time_in_order(outbox: Any) -> None:
    for name in ("a", "b"):
        outbox.put(parcel(f"{name}1"), ["siem"], key=name)
        outbox.put(parcel(f"{name}2"), ["siem"], key=name)
    first = outbox.claim("siem")
    assert ids_in(*first) == ["a1", "b1"]
    outbox.settle([nak(first[0], 60.0, [WHY]), ack(first[1])])
    (second,) = outbox.claim("siem")
    assert ids_in(second) == ["b2"]
    outbox.settle([bury(second, NEVER)])
    assert outbox.claim("siem") == []


def test_the_next_of_a_key_follows_when_one_is_given_up_on(outbox: Any) -> None:
    outbox.put(parcel("1", "2"), ["siem"], key="k")
    outbox.put(parcel("3"), ["siem"], key="k")
    (delivery,) = outbox.claim("siem")
    parts = (Part(state=State.DELIVERED, lines=[0]), Part(state=State.DEAD, lines=[1]))
    outbox.settle([Verdict(delivery, parts)])
    assert ids_in(*outbox.claim("siem")) == ["3"]
