"""How an event is written for HEC: as the guide's document, or as one line of text for the raw endpoint."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from vaulytica.events import Event
from vaulytica.formats.splunk_hec.options import SplunkOptions, place
from vaulytica.jsonvalues import compact_json
from vaulytica.lines import Kept, Line, Lines, SeverityName, Written

_ENVELOPE = ("event_type", "severity", "timestamp")
_ENVELOPE_NAMES = tuple(f'"{name}"' for name in _ENVELOPE)


def inner(event: Event) -> dict[str, Any]:
    """The guide's `event`: envelope and data together; data never overwrites the envelope."""
    document: dict[str, Any] = {
        "event_type": event.type,
        "severity": event.severity,
        "timestamp": event.rfc3339,
    }
    for key, value in event.data.items():
        document[_free_name(key, document, event.data) if key in _ENVELOPE else key] = value
    return document


def outer(event: Event, options: SplunkOptions) -> dict[str, Any]:
    """The guide's whole document; index and fields, which the guide has not, come before `event`."""
    return {"time": event.epoch_seconds, **place(options, event), "event": inner(event)}


def _free_name(key: str, taken: dict[str, Any], data: dict[str, Any]) -> str:
    # Whoever owns a file could forge a severity if data could take the envelope's place.
    name = f"data.{key}"
    while name in taken or name in data:
        name = f"data.{name}"
    return name


class LineWriter:
    """Writes lines as `outer` is written, `time` always with all its digits.

    The data stays the bytes it is: while documents are put together each byte is a character (Latin-1),
    as Python formats text faster than bytes. What many events have in common is made once, and kept.
    """

    def __init__(self, options: SplunkOptions) -> None:
        self._seconds = Kept(_begin)
        self._heads = Kept(lambda key: _head(options, *key))

    def write(self, lines: Lines) -> Written:
        """The documents. Odd is a line with metadata, one from before 1970, or whose data might clash."""
        rows = lines.rows
        datas = _joined(rows)
        if odd := _odd(rows, datas):
            left_out = set(odd)
            rows = [row for number, row in enumerate(rows) if number not in left_out]
            datas = _joined(rows)
        text = "\n".join(self._documents(rows, datas)).encode(_BYTES) if rows else b""
        return Written(text, 1, lambda: list(map(len, text.split(b"\n"))) if text else [], odd)

    def _documents(self, rows: list[Line], datas: str) -> list[str]:
        members, empty = _members(datas, len(rows))
        seconds, heads = self._seconds, self._heads
        documents = [
            f"{seconds[(stamp := row.timestamp)[:_SECONDS]]}{stamp[_SECONDS:-1]}"
            f'{heads[row.type, row.severity, row.source]}{stamp}","{rest}}}'
            for row, rest in zip(rows, members, strict=True)
        ]
        for number in empty:
            documents[number] = documents[number].removesuffix(',"}') + "}}"
        return documents


_BYTES = "latin-1"
_SECONDS = len("1970-01-01T00:00:00")  # then a fraction may follow, and Z
_EPOCH = "1970"  # before it a fraction would count in the wrong direction
_SPACE = " \t\r\n"


def _joined(rows: list[Line]) -> str:
    return b"\n".join([row.data for row in rows]).decode(_BYTES)


def _odd(rows: list[Line], datas: str) -> list[int]:
    if (
        [row.metadata for row in rows].count(None) == len(rows)
        and min([row.timestamp for row in rows]) >= _EPOCH
        and not _may_clash(datas)
    ):
        return []
    return [
        number
        for number, (row, data) in enumerate(zip(rows, datas.split("\n"), strict=True))
        if row.metadata is not None or row.timestamp < _EPOCH or _may_clash(data)
    ]


def _may_clash(datas: str) -> bool:
    """Whether a name of the envelope's may be in it: no letter of a line is escaped."""
    # rfind is three times as fast as find, which prepares for the worst.
    return any(datas.rfind(name) >= 0 for name in _ENVELOPE_NAMES)


def _members(datas: str, count: int) -> tuple[list[str], list[int]]:
    """Of each object all behind its first quote; and which of them have none, being empty."""
    members = datas.rsplit('\n{"')  # twice as fast as split, which prepares for the worst
    if len(members) == count and datas.startswith('{"'):
        members[0] = members[0][2:]
        return members, []
    members = [data.strip(_SPACE)[1:].lstrip(_SPACE)[1:] for data in datas.split("\n")]
    return members, [number for number, rest in enumerate(members) if not rest]


def _begin(second: str) -> str:
    """A document to its whole seconds since 1970, behind which the fraction is written."""
    moment = datetime.fromisoformat(f"{second}Z")
    return f'{{"time":{int(moment.timestamp())}'


def _head(options: SplunkOptions, type: str, severity: SeverityName, source: str) -> str:
    """All from `time` to the beginning of the timestamp's text."""
    line = Line(type=type, severity=severity, source=source)
    beside = compact_json(place(options, line))[1:-1]
    envelope = compact_json({"event_type": type, "severity": severity})[1:-1]
    return (b',%b,"event":{%b,"timestamp":"' % (beside, envelope)).decode(_BYTES)
