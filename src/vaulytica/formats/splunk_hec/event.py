"""How an event is written for HEC: as the guide's document, or as one line of text for the raw endpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from vaulytica.events import Event
from vaulytica.formats.splunk_hec.options import SplunkOptions, place
from vaulytica.jsonvalues import compact_json
from vaulytica.lines import Line, SeverityName

_ENVELOPE = ("event_type", "severity", "timestamp")
_ENVELOPE_NAMES = tuple(f'"{name}"'.encode() for name in _ENVELOPE)
_MOST_KEPT = 4096  # texts of each kind
_LONGEST_KEPT = 1024  # characters


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
    """Writes lines as `outer` is written, their data left as the bytes it is.

    What most events have in common is kept as text, so that a line costs two look-ups and one copy.
    """

    def __init__(self, options: SplunkOptions) -> None:
        self._seconds = _Kept(_second)
        self._heads = _Kept(lambda key: _head(options, *key))

    def write_all(self, lines: Sequence[Line]) -> list[bytes | None]:
        """The documents, `time` always with all its digits; None for a line to be read as an event.

        That is so if its data might clash with the envelope, if it has metadata, or is older than 1970.
        """
        if _may_clash(b"".join([line.data for line in lines])):
            fit = [None if _may_clash(line.data) else line for line in lines]
            return [None if line is None else self._write((line,))[0] for line in fit]
        return self._write(lines)

    def _write(self, lines: Sequence[Line]) -> list[bytes | None]:
        parts: list[bytes | None] = []
        add, all_seconds, heads = parts.append, self._seconds, self._heads
        for line in lines:
            stamp, data = line.timestamp, str(line.data, "utf-8")
            seconds = all_seconds[stamp[:19]]
            head = heads[line.type, line.severity, line.source]
            if line.metadata is not None or not seconds:
                add(None)
            elif data[1] == '"':  # no space before a name, so none before the brace either
                add(f'{{"time":{seconds}{stamp[19:-1]}{head}{stamp}",{data[1:]}}}'.encode())
            else:
                members = data.strip(" \t\r\n")[1:].lstrip(" \t\r\n")
                comma = "" if members == "}" else ","
                add(f'{{"time":{seconds}{stamp[19:-1]}{head}{stamp}"{comma}{members}}}'.encode())
        return parts


class _Kept(dict[Any, str]):
    """Texts made when first asked for; as many are kept as are worth it."""

    def __init__(self, make: Callable[[Any], str]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: Any) -> str:
        text = self._make(key)
        if len(text) <= _LONGEST_KEPT:
            if len(self) >= _MOST_KEPT:
                self.clear()
            self[key] = text
        return text


def _second(stamp: str) -> str:
    """A timestamp's whole seconds since 1970; the fraction is written behind it."""
    seconds = int(datetime.fromisoformat(f"{stamp}Z").timestamp())
    # Before 1970 a fraction would count in the wrong direction.
    return str(seconds) if seconds >= 0 else ""


def _head(options: SplunkOptions, type: str, severity: SeverityName, source: str) -> str:
    """All from `time` to the beginning of the timestamp's text."""
    line = Line(type=type, severity=severity, source=source)
    beside = compact_json(place(options, line))[1:-1].decode()
    envelope = compact_json({"event_type": type, "severity": severity})[1:-1].decode()
    return f',{beside},"event":{{{envelope},"timestamp":"'
