"""A key that stands twice is never overlooked by the look at many lines at once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaulytica.relay.intake.duplicates import first_duplicate, is_unique

NAMES = st.sampled_from(["a", "b", '"', "\\", ":", "é", "\u2028", ""])
VALUES = st.none() | st.integers(-9, 10**20) | st.floats(allow_nan=False) | NAMES
PAIRS = st.recursive(
    VALUES,
    lambda inner: st.lists(st.tuples(NAMES, inner), max_size=4) | st.lists(inner, max_size=3),
    max_leaves=12,
)


def written(value: Any, spaces: str, *, escaped: bool) -> str:
    """JSON in which names may stand twice: an object is a list of pairs."""
    if isinstance(value, list):
        if value and all(isinstance(one, tuple) for one in value):
            parts = [
                f"{written(k, spaces, escaped=escaped)}{spaces}:{spaces}{written(v, spaces, escaped=escaped)}"
                for k, v in value
            ]
            return f"{{{spaces}{f',{spaces}'.join(parts)}}}"
        return f"[{', '.join(written(one, spaces, escaped=escaped) for one in value)}]"
    return json.dumps(value, ensure_ascii=escaped)


def twice(value: Any) -> bool:
    if isinstance(value, tuple):
        return twice(value[1])
    if not isinstance(value, list):
        return False
    names = [one[0] for one in value if isinstance(one, tuple)]
    pairs = bool(value) and len(names) == len(value)
    return (pairs and len(set(names)) < len(names)) or any(map(twice, value))


@given(
    st.lists(st.lists(st.tuples(NAMES, PAIRS), min_size=1, max_size=4), min_size=1, max_size=4),
    st.sampled_from(["", " "]),
    st.booleans(),
    st.sampled_from(["\n", "\r\n", ""]),
)
def test_of_any_lines(lines: list[Any], spaces: str, escaped: bool, end: str) -> None:
    texts = [written(line, spaces, escaped=escaped).encode() for line in lines]
    block = (end or "\n").encode().join(texts) + end.encode()
    if any(map(twice, lines)):
        assert not is_unique(block)
        assert first_duplicate(texts) is not None
    else:
        assert first_duplicate(texts) is None


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
@pytest.mark.parametrize("between", [b":", b": "])
def test_usual_lines_are_seen_to_be_fine_at_once(end: bytes, between: bytes) -> None:
    lines = [b'{"type":"t","data":{"n":%d,"text":"a, b: \\"c\\""}}' % n for n in range(3)]
    assert is_unique((end or b"\n").join(line.replace(b":", between) for line in lines[:1]) + end)
    block = (end or b"\n").join(lines) + end
    assert is_unique(block)
    assert not is_unique(block.replace(b'"data"', b'"type"'))
