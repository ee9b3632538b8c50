"""Dicts taken in as lines: they say what the thorough way finds in the same dict, at the time it was given."""

from __future__ import annotations

import math
from collections import OrderedDict, UserDict, defaultdict, namedtuple
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.heart import LinesFormat, cut
from vaulytica.delivery.batching import Batch
from vaulytica.delivery.outcome import Result
from vaulytica.errors import WebhookEventError
from vaulytica.events import Event, Severity
from vaulytica.jsonvalues import MAX_DEPTH, compact_json, is_plain, plain
from vaulytica.lines import Given, Line, Lines, Written, written

MOST = 10**6
FIELDS = ("type", "data", "severity", "source", "metadata")


def judged(entry: object) -> Any:
    """What is not made for the event, or the text of the error; NaN and -0 told apart."""
    try:
        event = entry.event() if isinstance(entry, Line) else Event.from_mapping(entry)
    except WebhookEventError as error:
        return str(error)
    return repr([getattr(event, field) for field in FIELDS])


def check(entry: dict[Any, Any]) -> bool:
    """The law; whether the entry was taken in."""
    expected = judged(entry)
    taker = Given(MOST)
    if not taker.take_in(entry):
        assert taker.texts == []
        return False
    given = {key: entry[key] for key in ("id", "timestamp") if entry.get(key) is not None}
    entry.clear()  # as its owner may
    (one,) = taker.take()
    assert judged(one) == expected
    if isinstance(one, Line):
        event = one.event()
        assert event.id == given.get("id", event.id)
        if "timestamp" in given:
            expected = Event.create("t", {}, timestamp=given["timestamp"]).timestamp
            assert event.timestamp == expected
        else:
            assert abs(event.timestamp - datetime.now(UTC)) < timedelta(seconds=60)
    assert taker.texts == []
    return True


class Other(dict[str, Any]):
    """Holds one thing and gives another."""

    def items(self) -> Any:
        return {"given": 1}.items()

    def values(self) -> Any:
        return [1]


class Plain(Enum):
    A = "a"


class Text(StrEnum):
    A = "a"


class Number(IntEnum):
    ONE = 1


class Str(str):
    __slots__ = ()


Pair = namedtuple("Pair", "a b")  # noqa: PYI024 - as callers have them

circular: dict[str, Any] = {}
circular["a"] = circular
shared: list[Any] = ["x" * 1000]
for _ in range(40):
    shared = [shared, shared]
deep: Any = 1
for _ in range(MAX_DEPTH + 5):
    deep = [deep]

PLAIN_VALUES = [None, True, 0, -(2**63), 2**64, 1.5, -0.0, 1e300, "ü", "\x00\u2028", "", [], {}]
PLAIN_VALUES += [
    [1, [2, {"a": None}]],
    Text.A,
    "a" * 5000,
    {"": {"": []}},
    10**300,
    10**308,
    10**400,
    deep,
]
ODD_VALUES: list[Any] = [
    math.nan,
    math.inf,
    {1: 2},
    {None: 1},
    {True: 1},
    (1, 2),
    Pair(1, 2),
    {1, 2},
]
ODD_VALUES += [b"x", bytearray(b"x"), Decimal(1), UUID(int=5), date(2025, 1, 1), datetime.now(UTC)]
ODD_VALUES += [timedelta(1), Other(a=1), OrderedDict(a=1), defaultdict(int, a=1), UserDict(a=1)]
ODD_VALUES += [
    Plain.A,
    Number.ONE,
    Str("x"),
    "\ud800",
    "\ud83d\ude00",
    {"\ud800": 1},
    object(),
    range(3),
]
ODD_VALUES += [circular, shared, "x" * MOST, ["x" * 1000] * 1000, {Str("k"): {5: 1}}, 10**5000]


@pytest.mark.parametrize("value", PLAIN_VALUES, ids=lambda value: repr(value)[:20])
def test_plain_values_are_taken_in(value: Any) -> None:
    assert check({"type": "t", "data": {"a": value}, "timestamp": "2025-10-29T12:00:00Z"})


@pytest.mark.parametrize("number", range(len(ODD_VALUES)))
def test_others_are_for_the_thorough_way(number: int) -> None:
    assert not check({"type": "t", "data": {"a": ODD_VALUES[number]}})
    assert not check({"type": "t", "data": {"a": [{"b": ODD_VALUES[number]}]}})


@pytest.mark.parametrize(
    "changes",
    [
        {"timestamp": None},
        {"timestamp": 1761739200.5},
        {"timestamp": datetime(2025, 10, 29, 14, tzinfo=timezone(timedelta(hours=2)))},
        {"severity": Severity.ERROR, "source": "s", "metadata": {"index": "i"}, "id": "e-1"},
        {"severity": "WARNING"},
        {"severity": "high"},
        {"type": " "},
        {"id": "a b"},
        {"id": None},
        {"level": 1},
        {"timestamp": "yesterday"},
        {"metadata": {}},
        {"data": []},
        {"data": "x"},
    ],
)
def test_fields_mean_what_they_mean_to_an_event(changes: dict[str, Any]) -> None:
    assert check({"type": "t", "data": {"a": 1}} | changes)


@pytest.mark.parametrize("stamp", [datetime(2025, 1, 1), True, [], 1e300, math.nan])  # noqa: DTZ001
def test_a_time_that_is_none_is_for_the_thorough_way(stamp: Any) -> None:
    assert not check({"type": "t", "timestamp": stamp})


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary(max_size=3)
    | st.datetimes()
    | st.sampled_from([Text.A, Plain.A, Number.ONE, Str("x")]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(st.text() | st.integers() | st.just(Str("k")), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {"type": st.text(min_size=1) | VALUES},
        optional={
            "data": st.dictionaries(st.text(), VALUES, max_size=4) | VALUES,
            "severity": st.sampled_from([*Severity, "info", "Info"]) | VALUES,
            "source": st.text() | VALUES,
            "metadata": st.dictionaries(st.text(), VALUES, max_size=2) | VALUES,
            "more": VALUES,
        },
    )
)
def test_any_dict_means_what_it_means_to_an_event(entry: dict[str, Any]) -> None:
    check(entry)


@given(st.dictionaries(st.text() | st.integers(), VALUES, max_size=4))
def test_what_is_plain_is_copied_as_it_is(value: dict[Any, Any]) -> None:
    if is_plain(value, MOST):
        try:
            copied = compact_json(plain(value))
        except ValueError:  # an integer of too many digits, which the line's own check finds
            return
        assert repr(plain(value)) == repr(plain({**value}))
        assert copied == compact_json(value)


# --- In a batch: one by one, whatever stands between them, in order, and each as it was when it was given.


class Lined(LinesFormat):
    def encode_lines(self, lines: Lines) -> Written:
        parts = [None if line.metadata else self.encode(line.event()) for line in lines]
        return written(parts, b"")


GOOD = st.builds(lambda n: {"type": "t", "data": {"n": n}}, st.integers(0, 10**6))
SLOW = st.builds(lambda n: {"type": "t", "data": {"n": (n,)}}, st.integers(0, 10**6))
OWN = st.builds(lambda n: {"type": "t", "data": {"n": n}, "metadata": {"a": 1}}, st.integers(0, 9))
BAD = st.sampled_from(
    [{"type": ""}, None, {"type": "t", "id": "a b"}, {"type": "t", "data": {1: 2}}]
)


@given(
    entries=st.lists(GOOD | SLOW | OWN | BAD, max_size=40),
    most=st.integers(1, 12),
    max_bytes=st.integers(60, 600),
)
def test_dicts_go_the_same_way_with_and_without_lines(
    entries: list[Any], most: int, max_bytes: int
) -> None:
    found = []
    for format in (LinesFormat(most, max_bytes), Lined(most, max_bytes)):
        batches, results = [], []
        one: dict[str, Any] = {}

        def reused(one: dict[str, Any] = one) -> Any:
            for entry in entries:
                if entry is None:
                    yield None
                    continue
                one.clear()
                one.update(entry)
                yield one

        for piece in cut(format, reused(), 500):
            if isinstance(piece, Result):
                results.append((piece.position, piece.reason))
            else:
                assert isinstance(piece, Batch)
                batches.append([(item.position, item.part) for item in piece.items])
        found.append((batches, sorted(results, key=lambda result: result[0])))
    assert found[0] == found[1]
