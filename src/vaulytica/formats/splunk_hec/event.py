"""How an event is written for HEC: as the guide's document, or as one line of text for the raw endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from vaulytica.events import Event
from vaulytica.formats.splunk_hec.options import SplunkOptions, place
from vaulytica.jsonvalues import compact_json
from vaulytica.lines import Line

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
        self._options = options
        self._seconds: dict[str, str] = {}
        self._heads: dict[tuple[str, str, str], str] = {}

    def write_all(self, lines: Sequence[Line]) -> list[bytes | None]:
        """The documents, `time` always with all its digits; None for a line to be read as an event.

        That is so if its data might clash with the envelope, if it has metadata, or is older than 1970.
        """
        if _may_clash(b"".join([line.data for line in lines])):
            return [None if _may_clash(line.data) else self._write(line) for line in lines]
        return list(map(self._write, lines))

    def _write(self, line: Line) -> bytes | None:
        stamp, data = line.timestamp, str(line.data, "utf-8")
        try:
            seconds = self._seconds[stamp[:19]]
        except KeyError:
            seconds = self._second(stamp)
        try:
            head = self._heads[line.type, line.severity, line.source]
        except KeyError:
            head = self._head(line)
        if line.metadata is not None or not seconds:
            return None
        if data[1] == '"':  # no space before a name, so none before the brace either
            return f'{{"time":{seconds}{stamp[19:-1]}{head}{stamp}",{data[1:]}}}'.encode()
        members = data.strip(" \t\r\n")[1:].lstrip(" \t\r\n")
        comma = "" if members == "}" else ","
        return f'{{"time":{seconds}{stamp[19:-1]}{head}{stamp}"{comma}{members}}}'.encode()

    def _second(self, stamp: str) -> str:
        """A timestamp's whole seconds since 1970, as text; the fraction is written behind it."""
        seconds = int(datetime.fromisoformat(f"{stamp[:19]}Z").timestamp())
        # Before 1970 a fraction would count in the wrong direction.
        text = str(seconds) if seconds >= 0 else ""
        if len(self._seconds) >= _MOST_KEPT:
            self._seconds.clear()
        self._seconds[stamp[:19]] = text
        return text

    def _head(self, line: Line) -> str:
        """All from `time` to the beginning of the timestamp's text."""
        beside = compact_json(place(self._options, line))[1:-1].decode()
        envelope = compact_json({"event_type": line.type, "severity": line.severity})[1:-1].decode()
        text = f',{beside},"event":{{{envelope},"timestamp":"'
        if len(text) <= _LONGEST_KEPT:
            if len(self._heads) >= _MOST_KEPT:
                self._heads.clear()
            self._heads[(line.type, line.severity, line.source)] = text
        return text
