"""Reads what a destination received back into an event, from each format's documentation alone.

Shares no code with `formats`: that is the point of it. `demo` compares with what was put in.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple


class Decoded(NamedTuple):
    """An event as its destination sees it; `at` in milliseconds since 1970."""

    type: str
    severity: str
    at: int
    data: dict[str, Any]


class DamageError(ValueError):
    """The document is not as the format has it."""


def decode(format: str, body: bytes) -> Decoded:
    """The event in a body of that format; raises `DamageError`, or what reading it raises."""
    document = json.loads(body)
    return _DECODERS[format](document)


def milliseconds(timestamp: str) -> int:
    """RFC 3339 text as milliseconds since 1970."""
    moment = datetime.fromisoformat(timestamp)
    seconds = int(moment.astimezone(UTC).replace(microsecond=0).timestamp())
    return seconds * 1000 + moment.microsecond // 1000


def _must(condition: object, what: str) -> None:
    if not condition:
        raise DamageError(what)


def _json(document: dict[str, Any]) -> Decoded:
    _must(document["source"] == "vaulytica", "source")
    _must(len(document) == 5, "keys")
    at = milliseconds(document["timestamp"])
    return Decoded(document["event_type"], document["severity"], at, document["data"])


def _splunk_hec(document: dict[str, Any]) -> Decoded:
    event = dict(document["event"])
    type, severity, timestamp = (event.pop(k) for k in ("event_type", "severity", "timestamp"))
    at = milliseconds(timestamp)
    _must(round(document["time"] * 1000) == at, "time")
    _must(document["sourcetype"] == f"vaulytica:{type}", "sourcetype")
    moved = ("data.event_type", "data.severity", "data.timestamp")
    data = {k.removeprefix("data.") if k in moved else k: value for k, value in event.items()}
    return Decoded(type, severity, at, data)


def _datadog(document: dict[str, Any]) -> Decoded:
    tags = dict(tag.split(":", 1) for tag in document["tags"])
    _must(document["title"] == f"Vaulytica: {tags['event_type']}", "title")
    kinds = {"critical": "error", "error": "error", "warning": "warning"}
    _must(document["alert_type"] == kinds.get(tags["severity"], "info"), "alert_type")
    at = document["date_happened"] * 1000
    return Decoded(tags["event_type"], tags["severity"], at, json.loads(document["text"]))


def _elastic(document: dict[str, Any]) -> Decoded:
    event = document["event"]
    (type,) = event["type"]
    _must(document["message"] == f"Vaulytica event: {type}", "message")
    severity = ("debug", "info", "warning", "error", "critical")[event["severity"]]
    return Decoded(type, severity, milliseconds(document["@timestamp"]), document["vaulytica"])


def _template(document: dict[str, Any]) -> Decoded:
    alert = document["alert"]
    data = alert["data"]
    _must(len(document) == 1 and len(alert) == 5, "keys")
    _must(alert["file"] == data.get("file_name", ""), "file")
    return Decoded(alert["type"], alert["level"], milliseconds(alert["time"]), data)


def _function(document: dict[str, Any]) -> Decoded:
    at = milliseconds(document["alert_timestamp"])
    return Decoded(document["alert_type"], document["alert_severity"], at, document["alert_data"])


_DECODERS: dict[str, Callable[[dict[str, Any]], Decoded]] = {
    "json": _json,
    "splunk_hec": _splunk_hec,
    "datadog": _datadog,
    "elastic": _elastic,
    "custom template": _template,
    "custom function": _function,
}
