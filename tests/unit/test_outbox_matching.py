"""Which events a filter means, by what is in them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaulytica.lines import decode
from vaulytica.outbox.delivery import Filter
from vaulytica.outbox.matching import matching
from vaulytica.outbox.parcel import Parcel


def kept(raw: str) -> bytes:
    """As an outbox keeps a line that came in."""
    entries, _ = decode(raw.encode() + b"\n", 0)
    return Parcel.of(entries).body


def is_meant(body: bytes, **which: Any) -> bool:
    meant = matching(Filter(**which))
    assert meant is not None
    return meant(body) == [0]


@pytest.mark.parametrize(
    ("raw", "grep"),
    [
        (r'"Jos\u00e9"', "José"),
        ('"José"', "José"),
        (r'"\/etc\/passwd"', "^/etc/passwd$"),
        (r'"C:\\Windows\\x"', r"^C:\\Windows"),
        (r'"say \"hi\""', 'say "hi"'),
        (r'"a\nb"', "(?s)a.b"),
        (r'"\ud83d\ude00"', "\U0001f600"),
        ("1.50", r"^1\.50$"),
        ("12345678901234567890", "^12345678901234567890$"),
        ("true", "^true$"),
        ('[{"deep": ["Ärger"]}]', "(?i)ÄRGER"),
    ],
)
def test_a_value_is_found_as_it_was_before_json_escaped_it(raw: str, grep: str) -> None:
    assert is_meant(kept(f'{{"type": "t", "id": "-", "data": {{"key": {raw}}}}}'), grep=grep)
    assert not is_meant(kept('{"type": "t", "id": "-", "data": {"key": "other"}}'), grep=grep)


@pytest.mark.parametrize("grep", ["^key$", "data", "metadata", '"', "null", ":"])
def test_keys_and_what_json_puts_around_are_no_values(grep: str) -> None:
    body = kept('{"type": "t", "id": "1", "source": "s", "data": {"key": null, "data": 7}}')
    line = json.loads(body)
    line["timestamp"] = ""
    assert not is_meant(json.dumps(line).encode() + b"\n", grep=grep)


@pytest.mark.parametrize("grep", ["^login$", "^e-1$", "^fw$", "^warning$", "^idx$"])
def test_what_is_around_the_data_counts(grep: str) -> None:
    raw = (
        '{"type":"login","id":"e-1","source":"fw","severity":"warning","metadata":{"index":"idx"}}'
    )
    assert is_meant(kept(raw), grep=grep)


@given(st.text(min_size=1), st.booleans())
def test_whatever_the_text_it_is_found_however_it_was_written(text: str, ascii: bool) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    data = json.dumps({"key": [text]}, ensure_ascii=ascii)
    body = kept(f'{{"type": "t", "id": "-", "data": {data}}}')
    assert is_meant(body, grep=f"^{re.escape(text)}\\Z")
    assert not is_meant(body, grep=f"^{re.escape(text)}x\\Z")


@pytest.mark.parametrize(
    ("where", "holds"),
    [
        ("data.user == 'root'", True),
        ("data.user == 'alice'", False),
        ("data.n > `3`", True),
        ("data.n < `3`", False),
        ("severity == 'error'", True),
        ("length(data.n) > `1`", False),
        ("data.absent", False),
    ],
)
def test_a_condition(where: str, holds: bool) -> None:
    body = kept('{"type": "t", "severity": "error", "data": {"user": "root", "n": 4}}')
    assert is_meant(body, where=where) is holds


@pytest.mark.parametrize("id", ["e-1", 'a"b\\c', "a/b"])
def test_an_id_is_that_of_the_event_and_not_one_in_its_data(id: str) -> None:
    event = {"type": "t", "id": id, "data": {"id": "x"}}
    other = {"type": "t", "id": "y", "data": {"id": id}}
    for slash in ("/", "\\/"):
        one, two = (kept(json.dumps(each).replace("/", slash)) for each in (event, other))
        meant = matching(Filter(event=id))
        assert meant is not None
        assert meant(two + one) == [1]


def test_all_that_is_asked_for_has_to_hold() -> None:
    body = kept('{"type": "t", "id": "e-1", "data": {"user": "root"}}')
    assert is_meant(body, grep="root", where="type == 't'", event="e-1")
    assert not is_meant(body, grep="root", where="type == 'u'")
    assert not is_meant(body, grep="toor", where="type == 't'")
    assert matching(Filter()) is None


def test_what_was_altered_and_cannot_be_read_is_searched_as_it_stands() -> None:
    assert is_meant(b'{"type": "t", \xff broken root\n', grep="root")
    assert not is_meant(b'{"type": "t", \xff broken root\n', where="type")
    assert not is_meant(b'{"id":"e-1", broken\n', event="e-1")
