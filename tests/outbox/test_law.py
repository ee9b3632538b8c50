"""The law, whatever is done in whatever order: accepted = delivered + dead + pending + thrown away."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
)

from support.outbox import OwnClock, everything, ids_in, parcel
from vaulytica.outbox.delivery import Delivery, Filter, Part, Retention, Tried, Verdict
from vaulytica.outbox.sqlite import SqliteOutbox
from vaulytica.outbox.states import PENDING, TRANSITIONS, State, Step

NAMES = ("one", "two")
MEMORY = Path("/dev/shm")
FATES = (State.DELIVERED, State.DEAD, State.DEFERRED)
_ALLOWED = {(state, to) for (state, _), to in TRANSITIONS.items()}
# What one call may do at once: a claim that ran out is claimed again, what is not retained is gone.
_TWO_STEPS = {(a, c) for a, b in _ALLOWED for b2, c in _ALLOWED if b == b2 is not None}


class Law(RuleBasedStateMachine):
    """What every event must have become is kept here as well, in the simplest way."""

    claims = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        # In memory where that can be: thousands of fsyncs would take minutes, and prove nothing here.
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        self.clock = OwnClock()
        self.where: dict[tuple[str, str], str] = {}  # (destination, event): delivered, dead…
        self.states: dict[int, State] = {}
        self.number = 0
        self.retention: Retention | None = None
        self.outbox = self.open()

    def open(self) -> SqliteOutbox:
        path = Path(self.folder.name) / "outbox.db"
        return SqliteOutbox(path, clock=self.clock, retention=self.retention)

    @rule(
        count=st.integers(1, 4),
        to=st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True),
        key=st.sampled_from([None, None, "k", "l"]),
        again=st.booleans(),
    )
    def put(self, count: int, to: list[str], key: str | None, again: bool) -> None:
        ids = [f"e{self.number + n}" for n in range(count)]
        self.number += count
        events = parcel(*ids)
        for repeated in (False, True)[: 1 + again]:
            receipt = self.outbox.put(events, to, key=key, idempotency_key=ids[0])
            assert (receipt.repeated, list(receipt.ids)) == (repeated, ids)
        self.where |= {(name, id): "pending" for name in to for id in ids}

    @rule(
        target=claims,
        name=st.sampled_from(NAMES),
        most=st.integers(1, 5),
        only=st.sampled_from([None, State.FRESH, State.DEFERRED]),
        together=st.sampled_from([0, 0, 3]),
    )
    def claim(self, name: str, most: int, only: State | None, together: int) -> Any:
        claimed = self.outbox.claim(name, most, lease=20.0, only=only, together=together)
        keys = [delivery.key for delivery in claimed if delivery.key is not None]
        assert together or len(keys) == len(set(keys))
        for key in set(keys):
            of_key = [delivery.id for delivery in claimed if delivery.key == key]
            assert of_key == sorted(of_key)
            between = [
                kept.id
                for kept in everything(self.outbox, states=PENDING, destinations=(name,))
                if kept.key == key and of_key[0] < kept.id < of_key[-1]
            ]
            assert between == of_key[1:-1], "none is overtaken"
        return multiple(*claimed)

    @rule(delivery=consumes(claims), data=st.data())
    def settle_late(self, delivery: Delivery, data: Any) -> None:
        self.settle(delivery, data)

    @rule(name=st.sampled_from(NAMES), most=st.integers(1, 5), data=st.data())
    def work(self, name: str, most: int, data: Any) -> None:
        for delivery in self.outbox.claim(name, most, lease=20.0):
            self.settle(delivery, data)

    def settle(self, delivery: Delivery, data: Any) -> None:
        fates = data.draw(
            st.lists(st.sampled_from(FATES), min_size=delivery.events, max_size=delivery.events)
        )
        after = data.draw(st.sampled_from([0.0, 30.0]))
        tried = (Tried(self.clock.time(), "no"),)
        parts = tuple(
            Part(
                state=fate,
                lines=[at for at, one in enumerate(fates) if one is fate],
                after=after if fate is State.DEFERRED else 0.0,
                attempts=1,
                tried=() if fate is State.DELIVERED else tried,
            )
            for fate in dict.fromkeys(fates)
        )
        lost = self.outbox.settle([Verdict(delivery, parts)])
        if lost:
            assert lost == [delivery]
            return
        for id, fate in zip(ids_in(delivery), fates, strict=True):
            if self.where[delivery.destination, id] == "thrown away":
                continue  # while it was claimed
            self.where[delivery.destination, id] = {
                State.DELIVERED: "delivered", State.DEAD: "dead", State.DEFERRED: "pending"
            }[fate]  # fmt: skip

    @rule(
        step=st.sampled_from([Step.REPLAY, Step.REPLAY, Step.BURY, Step.DROP, Step.PURGE]),
        name=st.sampled_from(NAMES),
        grep=st.sampled_from([None, "^e[0-9]*[13579]$"]),
        most=st.integers(1, 3),
        events=st.sampled_from([None, None, 1, 2]),
    )
    def move(self, step: Step, name: str, grep: str | None, most: int, events: int | None) -> None:
        possible = [state for state, by in TRANSITIONS if by is step and state]
        which = Filter(
            states=tuple(s for s in possible if s not in (State.CLAIMED, State.DELIVERED)),
            destinations=(name,),
            grep=grep,
        )
        page = self.outbox.browse(Filter(states=which.states, destinations=(name,)), most=most)
        fitting = [
            id
            for kept in self.outbox.browse(which, most=1000, bodies=True)
            if kept.id in {one.id for one in page}
            for id in ids_in(kept)
        ][:events]
        assert self.outbox.move(step, which, most=most, events=events).events == len(fitting)
        to = {Step.REPLAY: "pending", Step.BURY: "dead"}.get(step, "thrown away")
        self.where |= {(name, id): to for id in fitting}

    @rule(events=st.integers(1, 3), begun=st.dictionaries(st.integers(1, 20), st.integers(0, 3)))
    def shed(self, events: int, begun: dict[int, int]) -> None:
        before = {(k.destination, id) for k in everything(self.outbox) for id in ids_in(k)}
        claimed = everything(self.outbox, states=(State.CLAIMED,))
        held = sum(min(k.events, max(1, begun.get(k.id, k.events))) for k in claimed)
        pending = sum(count.pending for count in self.outbox.counts().values())
        told = self.outbox.shed(events=max(0, pending - events), begun=begun)
        after = {(k.destination, id) for k in everything(self.outbox) for id in ids_in(k)}
        assert sum(told.values()) == len(before - after) == min(events, pending - held)
        self.where |= dict.fromkeys(before - after, "thrown away")

    @rule(pages=st.integers(1, 3))
    def shed_bytes(self, pages: int) -> None:
        before = {(k.destination, id) for k in everything(self.outbox) for id in ids_in(k)}
        size = self.outbox.used_bytes() - pages * 16384
        told = self.outbox.shed(size=size)
        after = {(k.destination, id) for k in everything(self.outbox) for id in ids_in(k)}
        assert sum(told.values()) == len(before - after)
        self.where |= dict.fromkeys(before - after, "thrown away")

    @rule(seconds=st.sampled_from([1.0, 21.0, 100.0]), jump=st.sampled_from([0.0, 3600.0, -3600.0]))
    def time_passes(self, seconds: float, jump: float) -> None:
        self.clock.pass_by(seconds)
        self.clock.jump(jump)

    @rule(retention=st.sampled_from([None, Retention(50.0), Retention(0.0)]))
    def it_is_opened_again(self, retention: Retention | None) -> None:
        self.outbox.tidy()
        self.outbox.close()
        self.retention = retention
        self.outbox = self.open()

    @invariant()
    def the_law_holds(self) -> None:
        audit = self.outbox.audit()
        assert audit.problems == []
        for name in NAMES:
            counts = audit.counts.get(name)
            ours = [where for (to, _), where in self.where.items() if to == name]
            if counts is None:
                assert not ours
                continue
            found = counts.accepted, counts.delivered, counts.dead, counts.pending
            expected = len(ours), *(ours.count(w) for w in ("delivered", "dead", "pending"))
            assert found == expected

    @invariant()
    def what_is_there_is_what_was_put(self) -> None:
        words = {State.DEAD: "dead", State.DELIVERED: "delivered"}
        found = [
            ((kept.destination, id), words.get(kept.state, "pending"))
            for kept in everything(self.outbox)
            for id in ids_in(kept)
        ]
        assert len(dict(found)) == len(found)
        assert all(self.where[which] == state for which, state in found)
        missing = {which for which, state in self.where.items() if state in ("dead", "pending")}
        assert missing <= dict(found).keys()

    @invariant()
    def only_known_steps_are_made(self) -> None:
        now = {kept.id: kept.state for kept in everything(self.outbox)}
        for id, state in self.states.items():
            to = now.get(id)
            assert to == state or (state, to) in _ALLOWED | _TWO_STEPS, (state, to)
        self.states = now

    def teardown(self) -> None:
        self.outbox.close()
        self.folder.cleanup()


Law.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
test_the_law = Law.TestCase
