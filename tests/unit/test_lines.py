"""Lines: read fast, they say what the thorough reading of the same bytes says."""

from __future__ import annotations

import json
import re
import threading
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vaulytica.errors import WebhookEventError
from vaulytica.events import Event
from vaulytica.jsonvalues import MAX_DEPTH, compact_json
from vaulytica.lines import Line, decode, decode_values, read
from vaulytica.lines.ids import joined, new_ids

NOW_MS = 1761739200123
NOW = "2025-10-29T12:00:00.123Z"
FIELDS = ("type", "data", "severity", "timestamp", "id", "source", "metadata")


def entry_of(text: bytes):
    (entry,), numbers = decode(text, NOW_MS)
    assert numbers is None
    return entry


def judged(entry):
    """An event without what is made for it, or the text of the error."""
    try:
        if isinstance(entry, WebhookEventError):
            raise entry
        event = entry.event() if type(entry) is Line else Event.from_mapping(entry)
    except WebhookEventError as error:
        return str(error)
    else:
        return tuple(getattr(event, field) for field in FIELDS if field not in ("id", "timestamp"))


def check(text: bytes):
    """The law: both ways of reading find the same event, or the same fault."""
    entry, value = entry_of(text), read(text)
    assert repr(judged(entry)) == repr(judged(value))  # NaN and -0 told apart
    if type(entry) is Line:
        assert entry.id == value.get("id", entry.id)
        if "timestamp" in value:
            assert entry.timestamp == Event.from_mapping(value).rfc3339
        else:
            assert entry.timestamp == NOW
        assert b"\\u" not in bytes(entry.data).replace(b"\\\\", b"")
        assert bytes(entry.data) in text or bytes(entry.data) == b"{}"
    return entry


LINES = [
    b'{"type":"a"}',
    b'{"type":"a","data":{}}',
    b' {"data" : {"x" : [1, 2.5, -0, null, true]}, "type":"a" } \r',
    '{"type":"á","data":{"k":"日本 \\\\ \\" \\n \\/"},"source":"ü"}'.encode(),
    b'{"type":"a","data":{"path":"C:\\\\users\\\\u0041"}}',
    b'{"type":"a","data":{"hash":"1e999","n":1e99,"m":1E-999,"k":12345678901234567890123}}',
    b'{"type":"a","data":{"x":"[[[{{{"}}',
    b'{"type":"a","type":"b","data":{"x":1,"x":2}}',
    b'{"type":"a","severity":"critical","timestamp":"2025-10-29T12:00:01.001Z","id":"e-1"}',
    b'{"type":"a","timestamp":"2025-10-29T12:00:00.000Z"}',
    b'{"type":"a","timestamp":"2025-10-29 14:00:00.123456+02:00"}',
    b'{"type":"a","timestamp":"2016-12-31T23:59:60Z"}',
    b'{"type":"a","metadata":{"index":"main","n":12345678901234567890123}}',
    b'{"type":"a","metadata":{}}',
    b'{"type":"a","data":{"x":' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"}}",
    b'{"type":"a","data":{"x":[' + b"{}," * 500 + b"{}]}}",
]
ODD_LINES = [
    b"7",
    b"[]",
    b"{}",
    b'{"type":"a"',
    b'{"type":"a"}{"type":"b"}',
    b'{"type":"a"} {"type":"b"}',
    b'{"type":""}',
    b'{"type":" "}',
    b'{"type":null}',
    b'{"type":7}',
    b'{"type":"a","x":1}',
    b'{"type":"a","severity":"WARNING"}',
    b'{"type":"a","severity":"high"}',
    b'{"type":"a","severity":null}',
    b'{"type":"a","source":""}',
    b'{"type":"a","source":null}',
    b'{"type":"a","id":""}',
    b'{"type":"a","id":"a b"}',
    b'{"type":"a","id":"' + b"x" * 257 + b'"}',
    '{"type":"a","id":"é"}'.encode(),
    b'{"type":"a","id":7}',
    b'{"type":"a","id":null}',
    b'{"type":"a","data":null}',
    b'{"type":"a","data":"{}"}',
    b'{"type":"a","data":[{}]}',
    b'{"type":"a","data":{"x":1e999}}',
    b'{"type":"a","data":{"x":-1E+0999}}',
    b'{"type":"a","data":{"x":' + b"9" * 400 + b"}}",
    b'{"type":"a","data":{"x":' + b"9" * 400 + b".5}}",
    b'{"type":"a","data":{"x":' + b"9" * 250 + b"e99}}",
    b'{"type":"a","data":{"x":' + b"9" * 5000 + b"}}",
    b'{"type":"a","data":{"x":NaN}}',
    b'{"type":"a","data":{"x":"\\u0041\\ud83d\\ude00"}}',
    b'{"type":"a","data":{"x":"\\ud83d"}}',
    b'{"type":"a","data":{"x":"\\\\\\u0041"}}',
    b'{"type":"\\ud83d"}',
    b'{"type":"a","data":{"x":"\xff"}}',
    b'{"type":"\xff"}',
    b'{"type":"a","data":"\xff","data":{}}',
    b'{"type":"a","data":{"x":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}}",
    b'{"type":"a","data":' + b'{"}":' * MAX_DEPTH + b"{}" + b"}" * MAX_DEPTH + b"}",
    b'{"type":"a","data":{"x":' + b"[" * 50_000 + b"]" * 50_000 + b"}}",
    b'{"type":"a","metadata":7}',
    b'{"type":"a","metadata":{"x":1e999}}',
    b'{"type":"a","metadata":{"x":' + b"9" * 400 + b"}}",
    b'{"type":"a","timestamp":""}',
    b'{"type":"a","timestamp":0}',
    b'{"type":"a","timestamp":null}',
    b'{"type":"a","timestamp":"2025-02-30T12:00:00Z"}',
    b'{"type":"a","timestamp":"2025-10-29T24:00:00Z"}',
    b'{"type":"a","timestamp":"2025-10-29T12:00:60Z"}',
    b'{"type":"a","timestamp":"0000-10-29T12:00:00Z"}',
    b'{"type":"a","timestamp":"2025-10-29T12:00:00"}',
    b'{"type":"a","timestamp":"soon"}',
]


@pytest.mark.parametrize("text", LINES)
def test_a_line_is_the_event_that_a_thorough_reading_finds(text: bytes) -> None:
    assert type(check(text)) is Line


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b'{"a":"x\ty"}', "not valid JSON: Invalid control character at column 8"),
        (b'{"a":"x', "not valid JSON: Unterminated string starting at column 6"),
        (b'{"a":x}', "not valid JSON: Expecting value at column 6"),
    ],
)
def test_what_is_no_json_is_told_with_its_column(text: bytes, why: str) -> None:
    ((error,), _) = decode(text, 0)
    assert str(error) == why


@pytest.mark.parametrize("text", ODD_LINES)
def test_what_is_in_doubt_is_read_thoroughly(text: bytes) -> None:
    assert type(check(text)) is not Line


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
STAMPS = st.from_regex(
    r"\A[0-9]{4}-[0-3][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{1,6}|\.000)?"
    r"(Z|[+-][0-2][0-9]:[0-5][0-9])?\Z"
) | st.datetimes().map(lambda moment: moment.isoformat(timespec="milliseconds") + "Z")
ENTRIES = st.fixed_dictionaries(
    {"type": st.text(min_size=1) | JSON},
    optional={
        "data": st.dictionaries(st.text(), JSON, max_size=4) | JSON,
        "severity": st.sampled_from(["debug", "info", "warning", "error", "critical", "Info"])
        | JSON,
        "timestamp": STAMPS | JSON,
        "id": st.text(min_size=1) | st.from_regex(r"\A[!-~]{1,20}\Z") | JSON,
        "source": st.text() | JSON,
        "metadata": st.dictionaries(st.text(), JSON, max_size=2) | JSON,
        "more": JSON,
    },
)
WRITERS = [
    lambda entry: json.dumps(entry).encode(),
    lambda entry: json.dumps(entry, ensure_ascii=False).encode("utf-8", "surrogatepass"),
    compact_json,
]
TEXTS = st.builds(
    lambda write, entry: write(entry),
    st.sampled_from(WRITERS),
    ENTRIES,
)


@given(TEXTS)
def test_any_line_is_read_the_same_both_ways(text: bytes) -> None:
    check(text)


@given(st.sampled_from(LINES), st.integers(0, 10_000), st.integers(0, 3), st.binary(max_size=3))
def test_any_damaged_line_is_read_the_same_both_ways(
    text: bytes, at: int, left_out: int, put_in: bytes
) -> None:
    at %= len(text)
    damaged = (text[:at] + put_in + text[at + left_out :]).replace(b"\n", b"")
    if damaged.strip():
        check(damaged)


NUMBERS = st.from_regex(rb"\A-?(0|[1-9][0-9]{0,3})(\.[0-9]{1,3})?([eE][+-]?[0-9]{1,4})?\Z")


@given(NUMBERS)
def test_any_number_is_read_the_same_both_ways(number: bytes) -> None:
    check(b'{"type":"a","data":{"x":' + number + b"}}")
    check(b'{"type":"a","data":{"x":"' + number + b'"}}')


@given(st.lists(st.sampled_from(LINES + ODD_LINES + [b"", b" ", b"\r"]) | TEXTS, max_size=8))
@example([LINES[8]] * 3 + [LINES[9]] + [b'{"type":"a","timestamp":"2025-10-29T12:00:01Z"}'])
@example([LINES[8]] * 3 + [LINES[9]])
@example([b'{"type":"a",', b'"data":{}}{"type":"b"}'])
def test_neighbours_change_nothing(texts: list[bytes]) -> None:
    block = b"".join(text + b"\n" for text in texts)
    entries, numbers = decode(block, NOW_MS)
    expected = [number for number, text in enumerate(texts) if text.strip()]
    assert expected == (list(range(len(entries))) if numbers is None else numbers)
    for entry, number in zip(entries, expected, strict=True):
        alone = entry_of(texts[number])
        assert type(entry) is type(alone)
        assert repr(judged(entry)) == repr(judged(alone))
        if type(entry) is Line:
            assert entry.timestamp == alone.timestamp
    values, places = decode_values(block)
    assert (len(values), places) == (len(entries), numbers)
    assert not any(type(value) is Line for value in values)


def test_ids_are_uuid7_and_rise() -> None:
    new = new_ids(10_000, NOW_MS)
    ids = list(new)
    assert len(set(ids)) == 10_000
    assert sorted(ids[:4096]) == ids[:4096]
    for id in ids[::997]:
        uuid = UUID(id)
        assert (str(uuid), uuid.version, uuid.int >> 80) == (id, 7, NOW_MS)
        assert uuid.variant == "specified in RFC 4122"
    assert len({id[15:33] for id in ids}) == 3  # each time by chance
    assert not set(ids) & set(new_ids(10_000, NOW_MS))
    assert list(new_ids(0, NOW_MS)) == []


@given(st.integers(0, 9000), st.integers(0, 9000), st.integers(0, 9000), st.integers(0, 9000))
def test_some_of_the_ids_are_the_same_as_of_the_list(
    count: int, start: int, stop: int, again: int
) -> None:
    new = new_ids(count, NOW_MS)
    ids = list(new)
    assert len(new) == len(ids) == count
    some, expected = new[start:stop][:again], ids[start:stop][:again]
    assert list(some) == expected == [some[at] for at in range(len(some))]
    assert joined(some) == joined(expected) == "\n".join(expected)


def test_ids_are_for_lines_that_have_none() -> None:
    entries, _ = decode(b'{"type":"a"}\n{"type":"a","id":"mine"}\n{"type":"a"}\n', NOW_MS)
    first, mine, last = [entry.id for entry in entries]
    assert mine == "mine"
    assert re.fullmatch(r"[0-9a-f-]{36}", first)
    assert first < last


def test_threads_make_no_id_twice() -> None:
    block = b'{"type":"a"}\n' * 500
    found: list[str] = []

    def run() -> None:
        for _ in range(20):
            found.extend(entry.id for entry in decode(block, NOW_MS)[0])

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == len(found) == 40_000


def test_what_is_larger_than_an_event_may_be_is_refused_as_ever() -> None:
    large = b'{"type":"a","data":{"x":"' + b"x" * (10 * 1024 * 1024) + b'"}}'
    entries, numbers = decode(b'{"type":"a"}\n' + large + b"\n", NOW_MS)
    assert numbers is None
    assert type(entries[0]) is Line
    assert judged(entries[1]) == judged(read(large))
    assert "larger than the limit" in judged(entries[1])
