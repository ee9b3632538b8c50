"""The settings of `splunk_hec`, and what they and an event's own metadata put beside the event."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from vaulytica.errors import WebhookConfigError, WebhookEventError
from vaulytica.events import SOURCE, Event
from vaulytica.lines import Line

PLACE_NAMES = ("host", "source", "sourcetype", "index")  # texts, on every endpoint
_GUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_LONGEST = 86400.0  # seconds


class SplunkOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`format_options` of `splunk_hec`; what is None is as in the guide. An event's metadata comes first.

    `ack`: an event is delivered when an indexer has acknowledged it; asked for after `ack_interval`
    seconds, then less and less often. After `ack_timeout` seconds it is sent again; Splunk's manual
    tells clients to wait 5 minutes. `channel`: the GUID of the first channel.
    """

    index: str | None = None
    sourcetype: str | None = None
    host: str | None = None
    source: str | None = None
    fields: dict[str, Any] = {}
    ack: bool = False
    ack_timeout: float = 300.0
    ack_interval: float = 1.0
    channel: str | None = None


def check_options(options: SplunkOptions, *, raw: bool) -> None:
    """Raise `WebhookConfigError` if they cannot work; `raw`: on the raw endpoint."""
    wrong = next((name for name in PLACE_NAMES if getattr(options, name) == ""), None)
    if wrong is not None:
        raise WebhookConfigError(f"format_options: {wrong} is empty; leave it out")
    if raw and options.fields:
        raise WebhookConfigError(
            "format_options: Splunk's raw endpoint takes no fields; use /services/collector/event"
        )
    if (why := _not_flat(options.fields)) is not None:
        raise WebhookConfigError(f"format_options: fields {why}")
    for name in ("ack_timeout", "ack_interval"):
        if not 0 < getattr(options, name) <= _LONGEST:
            raise WebhookConfigError(
                f"format_options: {name} must be seconds, above 0 and at most {_LONGEST:.0f}"
            )
    if options.channel is not None and not _GUID.fullmatch(options.channel):
        raise WebhookConfigError("format_options: channel must be a GUID, as uuidgen prints one")


def place(options: SplunkOptions, event: Event | Line) -> dict[str, Any]:
    """HEC's keys beside `event`, in the guide's order; `WebhookEventError` if the metadata is wrong.

    Keys of the metadata that are not HEC's are for other destinations, and left alone.
    """
    found: dict[str, Any] = {
        "host": options.host or SOURCE,
        "source": options.source or event.source,
        "sourcetype": options.sourcetype or f"vaulytica:{event.type}",
    }
    if options.index:
        found["index"] = options.index
    fields = options.fields
    if event.metadata is not None:
        found |= _own_place(event.metadata, event.id)
        fields = fields | _own_fields(event.metadata, event.id)
    if fields:
        found["fields"] = fields
    return found


def _own_place(metadata: Mapping[str, Any], id: str) -> dict[str, str]:
    own = {name: metadata[name] for name in PLACE_NAMES if metadata.get(name) is not None}
    for name, value in own.items():
        if not isinstance(value, str) or not value:
            raise WebhookEventError(f"metadata: {name} must be a non-empty text", event_id=id)
    return own


def _own_fields(metadata: Mapping[str, Any], id: str) -> dict[str, Any]:
    fields = metadata.get("fields")
    if fields is None:
        return {}
    why = _not_flat(fields) if isinstance(fields, dict) else "must be an object"
    if why is not None:
        raise WebhookEventError(f"metadata: fields {why}", event_id=id)
    return dict(fields)


def _not_flat(fields: Mapping[str, Any]) -> str | None:
    """What would get HEC's code 15: a value is a text, a number, a boolean, or a list of such."""
    for name, value in fields.items():
        if not name:
            return "has an empty name"
        for item in value if isinstance(value, list) else (value,):
            if not isinstance(item, (str, int, float)) or (
                isinstance(item, float) and not math.isfinite(item)
            ):
                return (
                    f"must be flat for Splunk: {name!r} is no text, number, boolean or list of such"
                )
    return None
