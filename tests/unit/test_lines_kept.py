"""Lines as the outbox keeps them: what is read again is what was read, however it was written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaulytica.events import Event
from vaulytica.lines import Line, Lines, decode, decode_kept, encode
from vaulytica.relay.intake.duplicates import is_unique
from vaulytica.relay.intake.shapes import Shapes

NOW_MS = 1761739200123
FIELDS = ("type", "severity", "timestamp", "id", "source", "metadata")

STAMPS = st.sampled_from(
    [
        "2025-10-29T12:00:00Z",
        "2025-10-29T12:00:00.000Z",
        "2025-10-29T12:00:00.120Z",
        "2025-10-29T14:00:00+02:00",
        "2025-10-29T12:00:00.123456Z",
    ]
)
EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["login", "}\n", "é"])},
    optional={
        "data": st.dictionaries(
            st.sampled_from(["a", "id", "data"]), st.integers() | st.text("a}\n{é", max_size=4)
        ),
        "severity": st.sampled_from(["info", "critical"]),
        "timestamp": STAMPS,
        "id": st.sampled_from(["e-1", "e-2"]),
        "metadata": st.sampled_from([{"index": "main"}, {}, None]),
    },
)
ENDS = st.sampled_from(["\n", "\n", "\n", "\r\n", " \n"])


def told(lines: Any) -> list[tuple[Any, ...]]:
    return [
        (json.loads(bytes(line.data)), *(getattr(line, name) for name in FIELDS)) for line in lines
    ]


def written(event: dict[str, Any], end: str, spaces: bool) -> bytes:
    separators = (", ", ": ") if spaces else (",", ":")
    return (json.dumps(event, ensure_ascii=False, separators=separators) + end).encode()


@given(
    st.lists(st.tuples(EVENTS, ENDS, st.booleans()), min_size=1, max_size=8),
    st.booleans(),
    st.integers(0, 8),
    st.integers(0, 8),
)
def test_what_is_kept_is_what_was_read(
    lines: list[tuple[dict[str, Any], str, bool]], ended: bool, start: int, stop: int
) -> None:
    block = b"".join(written(*line) for line in lines)
    found, numbers = decode(block if ended else block.rstrip(), NOW_MS)
    assert numbers is None
    some = found[start:stop] if isinstance(found, Lines) else found
    kept = encode(some)
    assert kept.count(b"\n") == len(some)
    assert b"\r" not in kept
    again = decode_kept(kept)
    if again is None:
        again, numbers = decode(kept, 0)
    assert told(again) == told(some)


@pytest.mark.parametrize("own", ["", ',"id":"e-1"'])
def test_lines_are_kept_as_they_were_read_but_for_their_ids(own: str) -> None:
    stamp = "2025-10-29T12:00:00.120Z"
    line = f'{{"type":"login", "data": {{"b": 1}},"timestamp":"{stamp}"{own}}}\n'.encode()
    found, _ = decode(line * 5000, NOW_MS)
    for some in (found, found[10:4990], found[4090:4100][3:]):
        assert isinstance(some, Lines)
        assert encode(some) == b"".join(
            line if own else line[:-2] + b',"id":"%b"}\n' % id.encode() for id in some.ids
        )


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from([10**39, 10**45, 10**300, "", " ", "é", "\\", "1e999"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner),
)
RAW = st.sampled_from(["1e999", "1E5", "-0", "1" * 201, "{}", "[]", '"x"', "[" * 300 + "]" * 300])


def event_of(entry: Any) -> Event:
    return entry.event() if isinstance(entry, Line) else Event.from_mapping(entry)


@given(st.lists(st.tuples(st.sampled_from(["t", " ", "\u00a0"]), VALUES | RAW), max_size=6))
def test_of_lines_of_known_shapes_no_data_is_in_doubt(drawn: list[tuple[str, Any]]) -> None:
    shapes = Shapes(is_unique)
    for type, value in drawn:
        texts = [json.dumps(value, ensure_ascii=False)]
        if isinstance(value, str):
            texts.append(value)  # as it stands: numbers, brackets
        for text in texts:
            for data in (text, f'{{"n":{text}}}'):
                line = f'{{"type":"{type}","data":{data}}}\n'.encode()
                try:
                    json.loads(line, parse_int=str)
                except ValueError:
                    continue
                block = line * 3
                unique, known = shapes.look(block)
                if known and unique == len(block):
                    sure, _ = decode(block, NOW_MS, fit=True)
                    careful, _ = decode(block, NOW_MS)
                    assert [event_of(entry).data for entry in sure] == [
                        event_of(entry).data for entry in careful
                    ]
