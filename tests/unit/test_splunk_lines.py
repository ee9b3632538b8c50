"""Splunk HEC: lines are written with their data left as it is, and mean what their events do."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from support.heart import GUIDE_EPOCH, guide_event, parts_of
from vaulytica.formats.splunk_hec import SplunkHecFormat, SplunkOptions
from vaulytica.lines import Line

PLACE = {"index": "sec", "sourcetype": "vaulytica", "host": "gate", "source": "scanner"}


def made(**options: Any) -> SplunkHecFormat:
    return SplunkHecFormat(options=SplunkOptions(**options))


def line(**changes: Any) -> Line:
    fields = {"type": "login", "timestamp": "2025-10-29T12:00:00Z", "id": "e-1"} | changes
    data = fields.pop("data", b"{}")
    return Line(data=msgspec.Raw(data), **fields)


def test_a_line_is_the_same_document() -> None:
    for data in (b"{}", b" { } ", b'{"a":1}', b'{ "a" : [1, {"b": 2}] }\t', b'\r{\r"a":null}'):
        for stamp in ("2025-10-29T12:00:00Z", "2025-10-29T12:00:00.730Z", "1970-01-01T00:00:00Z"):
            for format in (made(), made(**PLACE, fields={"team": "blü\n"})):
                one = line(data=data, timestamp=stamp, source='s"ö')
                written = parts_of(format, [one])[0]
                assert written is not None
                assert json.loads(written) == json.loads(format.encode(one.event()))


def test_odd_lines_leave_their_neighbours_in_place() -> None:
    format = made()
    stamps = [f"2025-10-29T12:00:0{n}{end}" for n in range(9) for end in ("Z", ".120Z", ".009Z")]
    datas = [b'{"a":1}', b"{}", b'{"severity":"x"}', b'{ "b":2}']
    lines = [line(timestamp=s, data=datas[n % len(datas)]) for n, s in enumerate(stamps)]
    assert parts_of(format, lines) == [parts_of(format, [one])[0] for one in lines]
    assert parts_of(format, lines).count(None) == len(lines[2::4])
    assert parts_of(format, [lines[2], lines[2]]) == [None, None]


def test_a_whole_second_is_an_integer() -> None:
    format = made()
    assert b'"time":1761739200,' in (parts_of(format, [line()])[0] or b"")
    fraction = parts_of(format, [line(timestamp="2025-10-29T12:00:00.050Z")])[0] or b""
    assert b'"time":1761739200.050,' in fraction
    assert json.loads(fraction)["time"] == GUIDE_EPOCH + 0.05


@pytest.mark.parametrize(
    "changes",
    [
        {"data": b'{"severity":"info"}'},
        {"data": b'{"a":1, "event_type" :"forged"}'},
        {"data": b'{"timestamp":0,"data.timestamp":1}'},
        {"metadata": {"index": "main"}},
        {"timestamp": "1969-12-31T23:59:59.750Z"},
        {"timestamp": "0001-01-01T00:00:00Z"},
    ],
)
def test_a_line_in_doubt_is_read_as_an_event(changes: Any) -> None:
    assert parts_of(made(), [line(**changes)])[0] is None


NAMES = st.sampled_from(
    [
        "a",
        "severity",
        "timestamp",
        "event_type",
        "data.severity",
        "data.data.severity",
        "",
        "ü",
        '"',
    ]
)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | TEXTS, inner, max_size=3),
    max_leaves=6,
)
MOMENTS = st.datetimes(timezones=st.just(UTC))
WRITER = made(fields={"team": "blue"}, index="sec")


@given(
    data=st.dictionaries(NAMES | TEXTS, VALUES, max_size=5),
    spaced=st.booleans(),
    moment=MOMENTS,
    type=TEXTS.filter(lambda text: bool(text.strip())),
    source=TEXTS.filter(bool),
    severity=st.sampled_from(["debug", "info", "warning", "error", "critical"]),
)
@example(
    data={}, spaced=True, moment=guide_event().timestamp, type="t", source="s", severity="info"
)
def test_any_line_is_written_as_its_event_is(
    data: Any, spaced: bool, moment: Any, type: str, source: str, severity: Any
) -> None:
    stamp = guide_event(timestamp=moment).rfc3339
    text = json.dumps(data, ensure_ascii=False, indent=1 if spaced else None)
    raw = text.replace("\n", "\r").encode()  # on one line, as it is read
    one = line(data=raw, timestamp=stamp, type=type, source=source, severity=severity)
    written = parts_of(WRITER, [one])[0]
    if written is not None:
        assert json.loads(written) == json.loads(WRITER.encode(one.event()))
    else:
        assert stamp < "1970" or any(f'"{n}"'.encode() in raw for n in NAMES_OF_ENVELOPE)


NAMES_OF_ENVELOPE = ("event_type", "severity", "timestamp")


def test_what_is_kept_for_lines_is_bounded() -> None:
    format = made()
    writer = format.encode_lines.__self__  # type: ignore[attr-defined]
    for n in range(5000):
        stamp = f"2025-10-{n % 28 + 1:02d}T{n // 240 % 24:02d}:{n // 60 % 60:02d}:{n % 60:02d}Z"
        one = line(type=f"type{n}", timestamp=stamp)
        assert json.loads(parts_of(format, [one])[0] or b"") == json.loads(
            format.encode(one.event())
        )
    assert parts_of(format, [line(type="x" * 100_000)])[0]
    assert len(writer._heads) <= 4096
    assert len(writer._seconds) <= 4096
    assert max(map(len, writer._heads.values())) <= 1024
