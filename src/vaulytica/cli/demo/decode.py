"""Reads what a destination has taken back into an event, from each format's documentation alone.

Shares no code with `formats`: that is the point of it. `demo` compares with what was put in.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from vaulytica.events import Event

_SEVERITIES = ("debug", "info", "warning", "error", "critical")
# ECS 8.17, the expected values of event.category and event.type.
_ECS_CATEGORIES = (
    "api authentication configuration database driver email file host iam intrusion_detection "
    "library malware network package process registry session threat vulnerability web"
)
_ECS_TYPES = (
    "access admin allowed change connection creation deletion denied device end error group "
    "indicator info installation protocol start user"
)


class Decoded(NamedTuple):
    """An event as its destination sees it; `at` in milliseconds since 1970; None: not to be seen."""

    type: str
    severity: str
    at: int
    data: dict[str, Any]
    source: str | None = None
    id: str | None = None

    @property
    def key(self) -> str:
        """Equal only for what is equal to the letter: 1, 1.0 and true are three."""
        return json.dumps(self, sort_keys=True)


class DamageError(ValueError):
    """The document is not as the format has it."""


@dataclass(frozen=True)
class Reader:
    """How a format's documents are read, and what of an event they do not carry.

    `read` raises `DamageError`, or what looking into a wrong document raises. `step`: times are
    carried in steps of so many milliseconds.
    """

    read: Callable[[Any], Decoded]
    lacks: tuple[str, ...] = ()
    step: int = 1

    def expected(self, event: Event) -> Decoded:
        """What is to be seen of an event."""
        at = milliseconds(event.timestamp.isoformat())
        at -= at % self.step
        severity = str(event.severity)
        whole = Decoded(event.type, severity, at, event.data, event.source, event.id)
        lacking: dict[str, Any] = dict.fromkeys(self.lacks)
        return whole._replace(**lacking)


def milliseconds(timestamp: str) -> int:
    """RFC 3339 text as milliseconds since 1970."""
    moment = datetime.fromisoformat(timestamp)
    seconds = int(moment.astimezone(UTC).replace(microsecond=0).timestamp())
    return seconds * 1000 + moment.microsecond // 1000


def _must(condition: object, what: str) -> None:
    if not condition:
        raise DamageError(what)


def _json(document: dict[str, Any]) -> Decoded:
    _must(len(document) == 5, "keys")
    at = milliseconds(document["timestamp"])
    type, severity, data = (document[key] for key in ("event_type", "severity", "data"))
    return Decoded(type, severity, at, data, document["source"])


def _splunk_hec(document: dict[str, Any]) -> Decoded:
    event = dict(document["event"])
    type, severity, timestamp = (event.pop(k) for k in ("event_type", "severity", "timestamp"))
    at = milliseconds(timestamp)
    _must(round(document["time"] * 1000) == at, "time")
    _must(document["sourcetype"] == f"vaulytica:{type}", "sourcetype")
    _must(document["host"] == "vaulytica", "host")
    moved = ("data.event_type", "data.severity", "data.timestamp")
    data = {k.removeprefix("data.") if k in moved else k: value for k, value in event.items()}
    return Decoded(type, severity, at, data, document["source"])


def _datadog(document: dict[str, Any]) -> Decoded:
    tags = dict(tag.split(":", 1) for tag in document["tags"])
    _must(document["title"] == f"Vaulytica: {tags['event_type']}", "title")
    kinds = {"critical": "error", "error": "error", "warning": "warning"}
    _must(document["alert_type"] == kinds.get(tags["severity"], "info"), "alert_type")
    _must(document["source_type_name"] == tags["source"], "source_type_name")
    at, data = document["date_happened"] * 1000, json.loads(document["text"])
    return Decoded(tags["event_type"], tags["severity"], at, data, tags["source"])


def _datadog_logs(entry: dict[str, Any]) -> Decoded:
    evt = entry["evt"]
    _must(entry["message"] == evt["name"], "message")
    _must(entry["ddsource"] == "vaulytica" and entry["service"] == evt["source"], "service")
    at, data = milliseconds(entry["timestamp"]), entry["vaulytica"]
    return Decoded(evt["name"], entry["status"], at, data, evt["source"], evt["id"])


def _elastic(hit: dict[str, Any]) -> Decoded:
    """The guide's document, which carries no id: the one it is stored under is the server's."""
    document = hit["_source"]
    event = document["event"]
    (type,) = event["type"]
    _must(document["message"] == f"Vaulytica event: {type}", "message")
    _must(event["kind"] == "alert" and event["category"] == ["security"], "event.kind, category")
    _must(document["observer"] == {"name": "vaulytica", "type": "security_scanner"}, "observer")
    at, severity = milliseconds(document["@timestamp"]), _SEVERITIES[event["severity"]]
    return Decoded(type, severity, at, document["vaulytica"])


def _elastic_bulk(hit: dict[str, Any]) -> Decoded:
    """The same, stored under the event's own id in the index of its day."""
    day = hit["_source"]["@timestamp"][:10].replace("-", ".")
    _must(hit["_index"] == f"vaulytica-{day}", "index")
    return _elastic(hit)._replace(id=hit["_id"])


def _ecs_bulk(hit: dict[str, Any]) -> Decoded:
    document = hit["_source"]
    event, data, source = document["event"], document["vaulytica"], document["observer"]["name"]
    _must(document["ecs"]["version"] and event["kind"] == "alert", "ecs.version, event.kind")
    _must(set(event.get("category", ())) <= set(_ECS_CATEGORIES.split()), "event.category")
    _must(set(event["type"]) <= set(_ECS_TYPES.split()), "event.type")
    _must(document["log"]["level"] == _SEVERITIES[event["severity"]], "log.level")
    _must(event["id"] == hit["_id"], "event.id")
    if "file_name" in data:
        file = document["file"]
        _must(data["file_name"] in (file["name"], file.get("path")), "file")
    at = milliseconds(document["@timestamp"])
    return Decoded(event["action"], document["log"]["level"], at, data, source, event["id"])


def _template(document: dict[str, Any]) -> Decoded:
    alert = document["alert"]
    data = alert["data"]
    _must(len(document) == 1 and len(alert) == 5, "keys")
    _must(alert["file"] == data.get("file_name", ""), "file")
    return Decoded(alert["type"], alert["level"], milliseconds(alert["time"]), data)


def _function(document: dict[str, Any]) -> Decoded:
    _must(len(document) == 5, "keys")
    type, severity, data, source = (
        document[f"alert_{key}"] for key in ("type", "severity", "data", "source")
    )
    return Decoded(type, severity, milliseconds(document["alert_timestamp"]), data, source)


_NO_ID, _NEITHER = ("id",), ("id", "source")

READERS = {
    "json": Reader(_json, _NO_ID),
    "splunk_hec": Reader(_splunk_hec, _NO_ID),
    "datadog": Reader(_datadog, _NO_ID, step=1000),
    "datadog_logs": Reader(_datadog_logs),
    "elastic": Reader(_elastic, _NEITHER),
    "elastic bulk": Reader(_elastic_bulk, ("source",)),
    "ecs bulk": Reader(_ecs_bulk),
    "custom template": Reader(_template, _NEITHER),
    "custom function": Reader(_function, _NO_ID),
}
