"""JSON values: what becomes of any Python value, and what is refused."""

from __future__ import annotations

import ipaddress
import json
import math
from collections import ChainMap, OrderedDict, UserString, defaultdict
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from fractions import Fraction
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaulytica.jsonvalues import MAX_DEPTH, NotJSON, canonical_json, compact_json, plain

ANY_TEXT = st.text(st.characters())  # lone surrogates included
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**1000), 2**1000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | ANY_TEXT
)
JSON_VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner),
    max_leaves=20,
)


def kinds(value: Any) -> set[type]:
    """The exact types in a value."""
    inner = [*value.keys(), *value.values()] if isinstance(value, dict) else value
    return {type(value)}.union(*map(kinds, inner if isinstance(value, (list, dict)) else ()))


# --- What is JSON already.


@given(JSON_VALUES)
def test_json_values_stay_what_they_are(value: Any) -> None:
    made = plain(value)
    assert made == value == json.loads(json.dumps(value))
    assert json.dumps(made) == json.dumps(value)  # == alone takes True for 1, and -0.0 for 0.0


@given(JSON_VALUES)
def test_canonical_json_is_json_dumps_with_sorted_keys(value: Any) -> None:
    assert canonical_json(plain(value)) == json.dumps(value, sort_keys=True).encode("utf-8")


@given(JSON_VALUES)
def test_both_ways_to_write_can_be_read_back(value: Any) -> None:
    made = plain(value)
    for written in (compact_json(made), canonical_json(made)):
        assert written.isascii() or written.decode("utf-8")
        assert json.dumps(json.loads(written), sort_keys=True) == json.dumps(value, sort_keys=True)


def test_compact_json_has_no_spare_bytes() -> None:
    assert compact_json({"a": [1, None, "é"]}) == '{"a":[1,null,"é"]}'.encode()


@given(JSON_VALUES)
def test_the_copy_shares_nothing_that_can_change(value: Any) -> None:
    made = plain(value)

    def containers(value: Any) -> dict[int, Any]:
        inner = value.values() if isinstance(value, dict) else value
        found = {id(value): value}
        for item in inner:
            if isinstance(item, (list, dict)):
                found |= containers(item)
        return found

    if isinstance(value, (list, dict)):
        assert not containers(made).keys() & containers(value).keys()


@pytest.mark.parametrize(
    "number",
    [0, -0.0, 1e16, 1e-7, 5e-324, 1.7976931348623157e308, 0.1 + 0.2, 2**53 + 1, 2**64, -(2**63)],
)
def test_numbers_keep_their_value(number: float) -> None:
    for dumps in (compact_json, canonical_json):
        back = json.loads(dumps(plain([number])))[0]
        assert (back, math.copysign(1, back)) == (number, math.copysign(1, number))


# --- What becomes JSON.


class Colour(Enum):
    RED = "red"
    NUMBER = 5
    PAIR = (1, "two")


class Word(StrEnum):
    WORD = "word"


class Number(IntEnum):
    SIX = 6


class Text(str):  # noqa: SLOT000
    def __str__(self) -> str:
        return "not this"


class Whole(int):
    pass


class Broken(float):
    def __repr__(self) -> str:
        return "not this"


class Point(NamedTuple):
    x: int
    y: int


@pytest.mark.parametrize(
    ("given", "made"),
    [
        (datetime(2025, 10, 29, 12, tzinfo=UTC), "2025-10-29T12:00:00Z"),
        (datetime(2025, 10, 29, 12, 0, 0, 5999, tzinfo=UTC), "2025-10-29T12:00:00.005Z"),
        (
            datetime(2025, 10, 29, 12, tzinfo=timezone(timedelta(hours=2))),
            "2025-10-29T10:00:00Z",
        ),
        (datetime(2025, 10, 29, 12), "2025-10-29T12:00:00"),  # noqa: DTZ001
        (
            datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=2))),
            "0001-01-01T00:00:00+02:00",
        ),
        (date(2025, 10, 29), "2025-10-29"),
        (time(12, 30), "12:30:00"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Decimal("1.10"), "1.10"),
        (Decimal("1E+999999"), "1E+999999"),
        (Colour.RED, "red"),
        (Colour.NUMBER, 5),
        (Colour.PAIR, [1, "two"]),
        (Word.WORD, "word"),
        (Number.SIX, 6),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", "a"}), ["a", "b"]),
        ({(1, 2), (0, 5)}, [[0, 5], [1, 2]]),
        (set(), []),
        (b"\x00\xff", "AP8="),
        (bytearray(b"abc"), "YWJj"),
        (memoryview(b"abcdef")[::2], "YWNl"),
        (memoryview(b""), ""),
        ((1, (2,)), [1, [2]]),
        (Point(1, 2), [1, 2]),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (ChainMap({"a": 1}, {"a": 2}), {"a": 1}),
        (defaultdict(list, a=[1]), {"a": [1]}),
        (PurePosixPath("/etc/passwd"), "/etc/passwd"),
        (ipaddress.ip_address("::1"), "::1"),
        (ipaddress.ip_network("10.0.0.0/8"), "10.0.0.0/8"),
        (Text("this"), "this"),
        (Whole(7), 7),
        (Broken(0.5), 0.5),
        ({Word.WORD: 1, Text("key"): 2, Colour.RED: 3}, {"word": 1, "key": 2, "red": 3}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_values_become_json(given: Any, made: Any) -> None:
    assert plain(given) == made
    assert plain({"a": [given]}) == {"a": [made]}
    assert kinds(plain([given])) <= {dict, list, str, int, float, bool, type(None)}


def test_a_set_is_written_the_same_however_it_was_made() -> None:
    words = [f"word-{n}" for n in range(100)]
    assert plain(set(words)) == plain(frozenset(words[::-1])) == sorted(words)
    mixed = {"a", 1, None, 2.5, (1,)}
    assert plain(mixed) == plain(set(mixed))
    assert len(plain(mixed)) == 5


# --- What is refused.


class Locked(Enum):
    OBJECT = object()


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (math.nan, "NaN|nan"),
        (math.inf, "inf"),
        (-math.inf, "inf"),
        (Decimal("NaN"), "NaN"),
        (Decimal("sNaN"), "NaN"),
        (Decimal("-Infinity"), "Infinity"),
        (Broken("nan"), "nan"),
        (2**1100, "1024 bits"),
        (-(2**1100), "1024 bits"),
        (Whole(2**1100), "1024 bits"),
        (10**5000, "1024 bits"),
        (1 + 2j, "complex"),
        (Fraction(1, 3), "Fraction"),
        (object(), "object"),
        (Locked.OBJECT, "object"),
        (len, "builtin_function"),
        (UserString("text"), "UserString"),
        ((n for n in range(3)), "generator"),
        (range(3), "range"),
        (timedelta(1), "timedelta"),
        (Exception("secret"), "Exception"),
        ({1: "a"}, "keys are strings"),
        ({None: "a"}, "keys are strings"),
        ({b"a": 1}, "keys are strings"),
        ({("a", "b"): 1}, "keys are strings"),
        ({Colour.NUMBER: 1}, "keys are strings"),
        ({10**5000: 1}, "keys are strings"),
        ({Colour.RED: 1, "red": 2}, "twice"),
        ({"red": 2, Colour.RED: 1}, "twice"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_json_cannot_carry_is_refused(value: Any, why: str) -> None:
    for wrapped in (value, [value], {"a": value}, {"a": [{"b": (value,)}]}):
        with pytest.raises(NotJSON, match=why) as caught:
            plain(wrapped)
        assert len(str(caught.value)) < 200


def test_the_error_names_the_place() -> None:
    with pytest.raises(NotJSON) as caught:
        plain({"a": [0, {"b": math.nan}]})
    assert str(caught.value) == "data.a[1].b is nan, which JSON does not have"


def test_the_error_shows_no_long_key() -> None:
    with pytest.raises(NotJSON) as caught:
        plain({"k" * 10**6: math.nan})
    assert len(str(caught.value)) < 200


def test_a_key_whose_repr_fails_is_refused_all_the_same() -> None:
    class Bad:
        def __repr__(self) -> str:
            raise RuntimeError

    with pytest.raises(NotJSON, match="keys are strings"):
        plain({Bad(): 1})


def nested(depth: int, *, lists: bool) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value] if lists else {"a": value}
    return value


@pytest.mark.parametrize("lists", [True, False])
def test_the_depth_is_bounded(lists: bool) -> None:
    deepest = plain(nested(MAX_DEPTH, lists=lists))
    assert compact_json(deepest)
    assert canonical_json(deepest)
    for depth in (MAX_DEPTH + 1, 10_000):
        with pytest.raises(NotJSON, match="deeper than 100"):
            plain(nested(depth, lists=lists))


def test_circular_values_are_refused() -> None:
    circle: dict[str, Any] = {}
    circle["me"] = [circle]
    ring: list[Any] = []
    ring.append(ring)
    for value in (circle, ring, {"a": ring}, OrderedDict(a=circle)):
        with pytest.raises(NotJSON, match="contains itself"):
            plain(value)


# --- Surrogates: a pair is one character, as every reader of the JSON will see it.


def test_a_surrogate_pair_is_one_character_and_a_lone_one_stays() -> None:
    assert plain({"\ud83d\ude00": "\ud83d\ude00"}) == {"😀": "😀"}
    assert plain(["\ud83d", "a\ude00b"]) == ["\ud83d", "a\ude00b"]


def test_bodies_are_the_same_when_read_and_written_again_whatever_the_keys() -> None:
    body = canonical_json(plain({"\ud83d\ude00": 1, "\uffff": 2}))
    assert json.dumps(json.loads(body), sort_keys=True).encode() == body


def test_a_pair_and_its_character_as_keys_are_one_key() -> None:
    with pytest.raises(NotJSON, match="same key twice"):
        plain({"\ud83d\ude00": 1, "😀": 2})
