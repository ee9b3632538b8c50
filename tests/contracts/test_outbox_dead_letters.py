"""What every outbox must hold to: dead letters, looking, and what is kept of the delivered."""

from __future__ import annotations

from typing import Any

import pytest

from support.outbox import NEVER, WHY, OwnClock, dead, everything, ids_in, parcel, the_law
from vaulytica.errors import WebhookConfigError
from vaulytica.outbox.delivery import (
    Filter,
    Retention,
    ack,
    nak,
)
from vaulytica.outbox.states import State, Step

# --- Dead letters.


def test_dead_letters_can_be_replayed_and_keep_what_they_have_seen(outbox: Any) -> None:
    dead(outbox, "a", "b")
    assert outbox.claim("siem") == []
    assert outbox.move(Step.REPLAY, Filter()).events == 2
    (delivery,) = outbox.claim("siem")
    assert (ids_in(delivery), delivery.charged, delivery.tried) == (["a", "b"], 0, (NEVER,))
    outbox.settle([ack(delivery)])
    counts = outbox.counts()["siem"]
    assert (counts.accepted, counts.delivered, counts.dead, counts.replayed) == (2, 2, 0, 2)


def test_a_replay_goes_in_steps(outbox: Any) -> None:
    for name in "abc":
        dead(outbox, name)
    step = outbox.move(Step.REPLAY, Filter(), most=2)
    assert step.events == 2
    assert outbox.counts()["siem"].dead == 1
    step = outbox.move(Step.REPLAY, Filter(), after=step.last, most=2)
    assert step.events == 1
    assert outbox.move(Step.REPLAY, Filter(), after=step.last, most=2).last is None


def test_of_a_dead_letter_only_what_matches_is_replayed(outbox: Any) -> None:
    dead(outbox, "a", "b", "c")
    assert outbox.move(Step.REPLAY, Filter(grep="^[bc]$")).events == 2
    assert ids_in(*outbox.claim("siem")) == ["b", "c"]
    assert ids_in(*everything(outbox, states=(State.DEAD,))) == ["a"]


@pytest.mark.parametrize(
    ("step", "which", "left"),
    [
        (Step.BURY, {}, {"dead": 3, "pending": 0}),
        (Step.DROP, {}, {"dead": 1, "pending": 0, "dropped": 2}),
        (Step.PURGE, {}, {"dead": 0, "pending": 2, "purged": 1}),
        (Step.REPLAY, {"destinations": ("other",)}, {"dead": 1, "pending": 2}),
        (Step.BURY, {"where": "data.of == 'c'"}, {"dead": 2, "pending": 1}),
        (Step.REPLAY, {"states": (State.FRESH,)}, {"dead": 1, "pending": 2}),
    ],
)
def test_moves_count_what_they_do(outbox: Any, step: Step, which: Any, left: Any) -> None:
    dead(outbox, "a")
    outbox.put(parcel("b", "c"), ["siem"])
    outbox.move(step, Filter(**which))
    counts = outbox.counts()["siem"]
    assert {name: getattr(counts, name) for name in left} == left


def test_what_a_worker_holds_is_not_moved(outbox: Any) -> None:
    outbox.put(parcel("a"), ["siem"])
    (delivery,) = outbox.claim("siem")
    for step in (Step.BURY, Step.DROP, Step.REPLAY, Step.PURGE):
        assert outbox.move(step, Filter()).events == 0
    assert outbox.settle([ack(delivery)]) == []


def test_the_oldest_of_the_least_severity_are_shed_first(outbox: Any) -> None:
    for id, severity in (("a", "error"), ("b", "info"), ("c", "info"), ("d", "debug")):
        outbox.put(parcel(id, severity=severity), ["siem"])
    assert outbox.shed(events=2) == {"siem": 2}
    assert ids_in(*outbox.claim("siem")) == ["a", "c"]
    assert outbox.counts()["siem"].dropped == 2
    assert outbox.shed(events=2) == {}


# --- Looking.


def test_browsing_by_all_that_can_be_asked_for(outbox: Any, clock: OwnClock) -> None:
    outbox.put(parcel("a"), ["one"])
    clock.pass_by(10)
    outbox.put(parcel("b", "c"), ["two"])
    begin = clock.time()

    def found(**which: Any) -> list[str]:
        return ids_in(*everything(outbox, **which))

    assert found() == ["a", "b", "c"]
    assert found(destinations=("two",)) == ["b", "c"]
    assert found(since=begin) == ["b", "c"]
    assert found(until=begin - 1) == ["a"]
    assert found(states=(State.DEAD,)) == []
    assert found(grep="^(a|c)$") == ["a", "c"]
    (first, *_) = everything(outbox)
    assert found(ids=(first.id,)) == ["a"]


def test_a_bad_expression_is_refused(outbox: Any) -> None:
    with pytest.raises(WebhookConfigError, match="grep"):
        outbox.browse(Filter(grep="("))
    with pytest.raises(WebhookConfigError, match="where"):
        outbox.browse(Filter(where="data ="))


def test_counts_tell_how_long_the_oldest_has_waited(outbox: Any, clock: OwnClock) -> None:
    outbox.put(parcel("a"), ["siem"])
    clock.pass_by(10)
    outbox.put(parcel("b"), ["siem"])
    assert outbox.counts()["siem"].oldest == pytest.approx(10)
    outbox.settle([nak(delivery, 60.0, [WHY]) for delivery in outbox.claim("siem", 1)])
    assert outbox.counts()["siem"].oldest == pytest.approx(10)


# --- Keeping what is delivered.


def test_delivered_ones_are_kept_for_as_long_as_wished(reopen: Any, clock: OwnClock) -> None:
    outbox = reopen(retention=Retention(100.0))
    outbox.put(parcel("a"), ["siem"])
    outbox.settle([ack(delivery) for delivery in outbox.claim("siem")])
    while outbox.tidy():
        pass
    assert ids_in(*everything(outbox, states=(State.DELIVERED,))) == ["a"]
    clock.pass_by(101)
    while outbox.tidy():
        pass
    assert list(everything(outbox)) == []
    the_law(outbox)
    assert outbox.counts()["siem"].delivered == 1


def test_without_retention_nothing_is_left(outbox: Any) -> None:
    outbox.put(parcel("a"), ["siem"])
    outbox.settle([ack(delivery) for delivery in outbox.claim("siem")])
    assert list(everything(outbox)) == []
