"""Lines of a known shape are passed over at once, and one in which a name stands twice never is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaulytica.relay.intake.duplicates import first_duplicate
from vaulytica.relay.intake.shapes import Shapes

NAMES = st.sampled_from(["type", "a", "b", "c", "", ",", "a,b", "{", "[1]", "é"])
TEXTS = st.sampled_from(["", "x", "a,b", '{"a":1}', "[", ":", "\\u", "\n", "é"])
VALUES: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS
)


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[list[tuple[str, Any]]]:
    """As pairs, in which names may stand twice."""
    return st.lists(st.tuples(NAMES, inner), max_size=3)


DOCUMENTS = objects(st.recursive(VALUES, lambda inner: objects(inner) | st.tuples(inner, inner)))
SPACES = st.sampled_from([(",", ":"), (", ", ": "), (" ,", "\t: ")])


def written(value: Any, between: tuple[str, str]) -> str:
    comma, colon = between
    if isinstance(value, list):
        pairs = [f"{json.dumps(name)}{colon}{written(one, between)}" for name, one in value]
        return f"{{{comma.join(pairs)}}}"
    if isinstance(value, tuple):
        return f"[{comma.join(written(one, between) for one in value)}]"
    return json.dumps(value)


def watched(looked: list[bytes]) -> Shapes:
    """It tells what it looks at closely."""

    def is_unique(line: bytes) -> bool:
        looked.append(line)
        return first_duplicate([line]) is None

    return Shapes(is_unique)


@given(st.lists(st.lists(st.tuples(DOCUMENTS, SPACES), min_size=1, max_size=5), max_size=6))
def test_no_line_with_a_name_that_stands_twice_is_passed_over(blocks: list[Any]) -> None:
    shapes = watched([])
    for block in blocks:
        lines = [f"{written(document, spaces)}\n".encode() for document, spaces in block]
        found = first_duplicate(lines)
        fine = len(b"".join(lines if found is None else lines[: found[0]]))
        assert shapes.look(b"".join(lines))[0] <= fine


def line(n: int, more: str = "", type: str = "t") -> bytes:
    return f'{{"type":"{type}","data":{{"n":{n},"text":"{n}, {{b:"{more}}}}}\n'.encode()


def test_of_lines_that_are_alike_one_is_looked_at() -> None:
    looked: list[bytes] = []
    shapes = watched(looked)
    for at in range(0, 3000, 1000):
        block = b"".join(map(line, range(at, at + 1000)))
        assert shapes.look(block) == (len(block), True)
    assert looked == [line(0)]


@pytest.mark.parametrize(
    "more", [',"n":1', ',"data":{"n":1,"n":1}', ',"x":[{"y":1,"y":1}]', ',"text":""']
)
def test_among_many_that_are_known_the_one_is_found(more: str) -> None:
    shapes = watched([])
    before = b"".join(map(line, range(100)))
    assert shapes.look(before) == (len(before), True)
    assert shapes.look(before + line(1, more) + before) == (len(before), True)


def test_each_type_is_told_apart_and_known() -> None:
    looked: list[bytes] = []
    shapes = watched(looked)
    lines = [line(n, f',"of{n % 7}":{n}', f"t{n % 7}") for n in range(700)]
    assert shapes.look(b"".join(lines)) == (len(b"".join(lines)), True)
    assert looked == lines[:7]


def test_lines_that_are_never_alike_cost_few_looks() -> None:
    looked: list[bytes] = []
    shapes = watched(looked)
    for at in range(0, 100_000, 100):
        shapes.look(b"".join([line(n, f',"of{n}":{n}') for n in range(at, at + 100)]))
    assert len(looked) < 500


def test_new_shapes_take_the_place_of_those_that_come_no_more() -> None:
    looked: list[bytes] = []
    shapes = watched(looked)
    for n in range(20_000):  # one of each, then only one again and again
        shapes.look(line(n, f',"of{n}":{n}'))
    looked.clear()
    block = line(0, ',"now":1') * 50
    while shapes.look(block)[0] < len(block):
        assert len(looked) < 10_000
    looked.clear()
    assert shapes.look(block) == (len(block), True)
    assert not looked


def test_what_has_escapes_or_no_end_is_left_to_others() -> None:
    looked: list[bytes] = []
    shapes = watched(looked)
    assert shapes.look(b'{"type":"t","data":{"a":"\\"","a":1}}\n') == (0, False)
    assert not looked
    assert shapes.look(line(1) + line(2).removesuffix(b"\n")) == (len(line(1) + line(2)) - 1, False)
    assert shapes.look(b"") == (0, True)
