"""How an event is written for HEC: as the guide's document, or as one line of text for the raw endpoint."""

from __future__ import annotations

from datetime import datetime
from io import BytesIO
from itertools import chain
from operator import itemgetter
from struct import iter_unpack
from typing import Any

import msgspec

from vaulytica.events import Event
from vaulytica.formats.splunk_hec.options import SplunkOptions, place
from vaulytica.jsonvalues import compact_json
from vaulytica.lines import Kept, Line, Lines, SeverityName, Written

_ENVELOPE = ("event_type", "severity", "timestamp")
_ENVELOPE_NAMES = tuple(f'"{name}"'.encode() for name in _ENVELOPE)


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


def _may_clash(data: bytes | msgspec.Raw) -> bool:
    """Whether a name of the envelope's may be in it: no letter of a line is escaped."""
    text = bytes(data)
    return any(name in text for name in _ENVELOPE_NAMES)


def _free_name(key: str, taken: dict[str, Any], data: dict[str, Any]) -> str:
    # Whoever owns a file could forge a severity if data could take the envelope's place.
    name = f"data.{key}"
    while name in taken or name in data:
        name = f"data.{name}"
    return name


class LineWriter:
    """Writes lines as `outer` is written, `time` always with all its digits.

    It goes by columns: a piece of all documents is made at once, in C, and one join puts the pieces in
    turn. The data stays the bytes it is; what many events have in common is made once, and kept.
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
        text = self._text(rows, datas) if rows else b""
        return Written(text, 1, lambda: list(map(len, text.split(b"\n"))) if text else [], odd)

    def _text(self, rows: list[Line], datas: bytes) -> bytes:
        stamps = [row.timestamp for row in rows]
        whole = [number for number, stamp in enumerate(stamps) if len(stamp) == _WHOLE]
        times = _times(stamps, whole)
        places = zip(
            [row.type for row in rows],
            [row.severity for row in rows],
            [row.source for row in rows],
            strict=True,
        )
        pieces = [b""] * (6 * len(rows))
        pieces[0::6] = map(self._seconds.__getitem__, times[0::2])
        pieces[1::6] = times[1::2]
        pieces[2::6] = map(self._heads.__getitem__, places)
        pieces[3::6] = "\n".join(stamps).encode().split(b"\n")
        pieces[4::6], pieces[5::6] = _members(datas)
        for number in whole:
            pieces[6 * number + 1] = b""
        pieces[0] = pieces[0].removeprefix(_END)
        pieces.append(b"}")
        return b"".join(pieces)


_WHOLE = len("1970-01-01T00:00:00Z")
_EPOCH = "1970"  # before it a fraction would count in the wrong direction
_END = b"}\n"  # of the document before
_QUOTE = frozenset(b'"')


def _joined(rows: list[Line]) -> bytes:
    return b"\n".join([row.data for row in rows])


def _odd(rows: list[Line], datas: bytes) -> list[int]:
    if (
        [row.metadata for row in rows].count(None) == len(rows)
        and min([row.timestamp for row in rows]) >= _EPOCH
        and not _may_clash(datas)
    ):
        return []
    return [
        number
        for number, row in enumerate(rows)
        if row.metadata is not None or row.timestamp < _EPOCH or _may_clash(row.data)
    ]


def _times(stamps: list[str], whole: list[int]) -> list[bytes]:
    """Of each stamp all to its seconds, and then its fraction; `whole` are those without one."""
    if whole:
        stamps = stamps.copy()
        for number in whole:
            stamps[number] = f"{stamps[number][:-1]}.000Z"
    return list(chain.from_iterable(iter_unpack("19s4s2x", "\n".join([*stamps, ""]).encode())))


def _members(datas: bytes) -> tuple[list[bytes], list[bytes]]:
    """What stands between an envelope and the data's members, and these to the last brace."""
    members = [data[1:-1] for data in BytesIO(datas + b"\n").readlines()]
    if set(map(itemgetter(0), members)) <= _QUOTE:
        return [b'",'] * len(members), members
    members = [data.strip(_SPACE)[1:].lstrip(_SPACE) for data in datas.split(b"\n")]
    return [b'"' if each == b"}" else b'",' for each in members], members


_SPACE = b" \t\r\n"


def _begin(stamp: bytes) -> bytes:
    """A document to its whole seconds since 1970, behind which the fraction is written."""
    moment = datetime.fromisoformat(f"{stamp.decode()}Z")
    return b'%b{"time":%d' % (_END, int(moment.timestamp()))


def _head(options: SplunkOptions, type: str, severity: SeverityName, source: str) -> bytes:
    """All from `time` to the beginning of the timestamp's text."""
    line = Line(type=type, severity=severity, source=source)
    beside = compact_json(place(options, line))[1:-1]
    envelope = compact_json({"event_type": type, "severity": severity})[1:-1]
    return b',%b,"event":{%b,"timestamp":"' % (beside, envelope)
