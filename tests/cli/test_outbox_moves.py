"""Moving many deliveries by `vaulytica outbox …`: at a rate, in steps, and beside a relay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.outbox import NEVER, everything, ids_in, parcel, the_law
from vaulytica.cli.outbox import move
from vaulytica.outbox import open_outbox
from vaulytica.outbox.delivery import Filter, ack, bury
from vaulytica.outbox.sqlite import SqliteOutbox
from vaulytica.outbox.states import State, Step

Cli = Callable[..., Any]
DEAD = Filter(states=(State.DEAD,))


class Sleeper:
    """A clock for the steps: it goes on when they sleep, and when something is written."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Sleeper:
    sleeper = Sleeper()
    monkeypatch.setattr(move, "time", sleeper)
    return sleeper


@pytest.fixture
def outbox(tmp_path: Path) -> Any:
    with open_outbox(f"sqlite://{tmp_path}/outbox.db") as outbox:
        yield outbox


def bury_all(outbox: SqliteOutbox) -> None:
    while claimed := outbox.claim("siem", 1000):
        outbox.settle([bury(delivery, NEVER) for delivery in claimed])


@pytest.mark.parametrize("rate", [0.5, 7.0, 100.0, 100_000.0])
def test_a_rate_is_one_of_events_however_large_a_delivery_is(
    outbox: SqliteOutbox, time: Sleeper, rate: float
) -> None:
    outbox.put(parcel(*[f"a{n}" for n in range(90)]), ["siem"])
    for n in range(10):
        outbox.put(parcel(f"b{n}"), ["siem"])
    bury_all(outbox)
    done = 0
    for some in move._steps(outbox, Step.REPLAY, DEAD, rate):
        done += some
        in_one_go = max(1, rate / 10)
        assert done <= time.now * rate + in_one_go + 1e-6
        assert outbox.counts()["siem"].pending == done
    assert done == 100
    assert time.now == pytest.approx(100 / rate), "and it is no slower"
    the_law(outbox)
    assert outbox.audit().problems == []
    names = [*[f"a{n}" for n in range(90)], *[f"b{n}" for n in range(10)]]
    assert sorted(ids_in(*outbox.claim("siem", 1000))) == sorted(names)


def test_between_two_steps_others_get_as_long_as_a_step_takes(
    outbox: SqliteOutbox, time: Sleeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3 * move._MOST):
        outbox.put(parcel(f"a{n}"), ["siem"])
    real = outbox.move

    def slow(*args: Any, **kwargs: Any) -> Any:
        time.now += 0.5
        return real(*args, **kwargs)

    monkeypatch.setattr(outbox, "move", slow)
    steps = list(move._steps(outbox, Step.BURY, Filter(states=(State.FRESH,)), None))
    assert steps == [move._MOST] * 3
    assert time.now == pytest.approx(3 * (0.5 + 0.5))


def test_a_step_only_looks_while_another_program_writes(outbox: SqliteOutbox) -> None:
    """What fits is looked for without the lock that a relay needs."""
    for n in range(5):
        outbox.put(parcel(f"a{n}"), ["siem"])
    bury_all(outbox)
    with SqliteOutbox(outbox.path) as another:
        writer = another._writer
        assert writer is not None
        with writer.transaction(durable=False):
            assert len(outbox.browse(DEAD)) == 5


def test_what_is_no_longer_dead_when_its_turn_comes_is_left_alone(
    outbox: SqliteOutbox, time: Sleeper
) -> None:
    for n in range(5):
        outbox.put(parcel(f"a{n}"), ["siem"])
    bury_all(outbox)
    steps = move._steps(outbox, Step.REPLAY, DEAD, 10.0)
    assert next(steps) == 1
    outbox.move(Step.REPLAY, DEAD, after=3, most=1)  # somebody else, meanwhile
    outbox.settle([ack(delivery) for delivery in outbox.claim("siem")])
    assert sum(steps) == 3
    counts = outbox.counts()["siem"]
    assert (counts.delivered, counts.pending, counts.replayed) == (2, 3, 5)


def test_of_a_large_delivery_the_rest_stays_dead_with_its_number(outbox: SqliteOutbox) -> None:
    outbox.put(parcel("a", "b", "c", "d", "e"), ["siem"])
    bury_all(outbox)
    (whole,) = everything(outbox)
    assert [one.text for one in whole.tried] == [NEVER.text]
    moved = outbox.move(Step.REPLAY, DEAD, events=2)
    assert (moved.events, moved.last) == (2, whole.id - 1)
    rest, fresh = everything(outbox)
    assert (rest.id, rest.state, ids_in(rest), rest.tried) == (
        whole.id, "dead", ["c", "d", "e"], whole.tried
    )  # fmt: skip
    assert (fresh.state, ids_in(fresh), fresh.tried) == ("fresh", ["a", "b"], whole.tried)
    which = Filter(states=(State.DEAD,), grep="^[ce]$")
    assert outbox.move(Step.REPLAY, which, events=1).events == 1
    assert outbox.move(Step.REPLAY, which, events=1).events == 1
    assert outbox.move(Step.REPLAY, which, events=1).events == 0
    the_law(outbox)


def test_what_is_damaged_is_put_back_undivided(outbox: SqliteOutbox) -> None:
    outbox.put(parcel("a", "b", "c"), ["siem"])
    bury_all(outbox)
    writer = outbox._writer
    assert writer is not None
    writer.connection.execute("UPDATE outbox_batch SET crc = x'00000000'")
    assert outbox.move(Step.REPLAY, DEAD, events=2).events == 3
