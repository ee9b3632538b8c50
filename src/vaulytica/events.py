"""Event: one thing that happened, checked once when it is made; and its severity."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from vaulytica.errors import WebhookEventError
from vaulytica.jsonvalues import MAX_BYTES, NotJSON, format_timestamp, plain, whole_text

SOURCE = "vaulytica"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HEADER_SAFE_ID = re.compile(r"[\x21-\x7e]{1,256}")


class Severity(StrEnum):
    """How bad it is, from `debug` to `critical`."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def level(self) -> int:
        """0 for debug … 4 for critical."""
        return _LEVELS[self]

    @classmethod
    def parse(cls, value: object) -> Severity:
        """Any case; nothing is guessed (`WARN`, `high`): an unknown one raises `WebhookEventError`."""
        found = _BY_NAME.get(value) if type(value) is str else None
        if found is None and isinstance(value, str):
            found = _BY_NAME.get(value.lower())
        if found is None:
            raise WebhookEventError(
                f"unknown severity {_shown(value)}; use one of {', '.join(cls)}"
            )
        return found


_BY_NAME: dict[str, Severity] = {severity.value: severity for severity in Severity}
_LEVELS = {severity: level for level, severity in enumerate(Severity)}


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened. Make it by `Event.create` or `Event.from_mapping`, which check it.

    `data` is plain JSON; `timestamp` is in UTC, to the millisecond; `id` is a UUIDv7 unless given.
    `metadata` is for the destination's format (such as Splunk's `index`), and no part of the event.
    """

    id: str
    type: str
    data: dict[str, Any]
    severity: Severity
    timestamp: datetime
    source: str = SOURCE
    metadata: dict[str, Any] | None = None

    @classmethod
    def create(
        cls,
        type: str,
        data: Mapping[str, Any],
        severity: str = Severity.INFO,
        *,
        timestamp: datetime | str | float | None = None,
        id: str | None = None,
        source: str = SOURCE,
        metadata: Mapping[str, Any] | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> Event:
        """Check and copy what the caller gave; raise `WebhookEventError` saying what is wrong."""
        if not isinstance(type, str) or not type or type.isspace():
            raise WebhookEventError(f"event type must be a non-empty string, not {_shown(type)}")
        if data.__class__ is not dict and not isinstance(data, Mapping):
            raise WebhookEventError(f"event data must be an object (a dict), not {_shown(data)}")
        if not isinstance(source, str) or not source:
            raise WebhookEventError(
                f"event source must be a non-empty string, not {_shown(source)}"
            )
        if metadata is not None and not isinstance(metadata, Mapping):
            raise WebhookEventError(f"event metadata must be an object, not {_shown(metadata)}")
        try:
            plain_data = plain(data, max_bytes=max_bytes)
            plain_metadata = metadata and plain(metadata, name="metadata", max_bytes=max_bytes)
        except NotJSON as error:
            raise WebhookEventError(f"event {error}") from None
        now_ms = time.time_ns() // 1_000_000
        return cls(
            id=uuid7(now_ms) if id is None else _checked_id(id),
            type=whole_text(type),
            data=plain_data,
            severity=Severity.parse(severity),
            timestamp=_from_ms(now_ms) if timestamp is None else parse_timestamp(timestamp),
            source=whole_text(source),
            metadata=plain_metadata or None,
        )

    @classmethod
    def from_mapping(cls, entry: object, *, max_bytes: int = MAX_BYTES) -> Event:
        """From `{"type", "data"[, "severity", "timestamp", "id", "source", "metadata"]}`."""
        if isinstance(entry, Event):
            return entry
        if not isinstance(entry, Mapping):
            raise WebhookEventError(f"an event must be an object with a type, not {_shown(entry)}")
        if entry.get("type") is None:
            raise WebhookEventError('event has no "type"')
        unknown = [key for key in entry if key not in _ENTRY_KEYS]
        if unknown:
            raise WebhookEventError(
                f"event has an unknown key {_shown(unknown[0])}; known are {', '.join(_ENTRY_KEYS)}"
            )
        return cls.create(
            entry["type"],
            entry.get("data", {}),
            entry.get("severity", Severity.INFO),
            timestamp=entry.get("timestamp"),
            id=entry.get("id"),
            source=entry.get("source", SOURCE),
            metadata=entry.get("metadata"),
            max_bytes=max_bytes,
        )

    @property
    def rfc3339(self) -> str:
        """The timestamp as text: `2025-10-29T12:00:00Z`, with milliseconds where they are not zero."""
        return format_timestamp(self.timestamp)

    @property
    def epoch_seconds(self) -> int | float:
        """The timestamp as seconds since 1970: an integer where whole, else three decimals."""
        seconds, milliseconds = divmod((self.timestamp - _EPOCH) // timedelta(milliseconds=1), 1000)
        return seconds if milliseconds == 0 else round(seconds + milliseconds / 1000, 3)


_ENTRY_KEYS = ("type", "data", "severity", "timestamp", "id", "source", "metadata")


def uuid7(now_ms: int) -> str:
    """A UUIDv7 (RFC 9562, 5.7): 48 bits of milliseconds since 1970, the version, 74 random bits."""
    moment = f"{now_ms:012x}"
    chance = os.urandom(10).hex()
    variant = "89ab"[int(chance[3], 16) & 3]
    return f"{moment[:8]}-{moment[8:]}-7{chance[:3]}-{variant}{chance[4:7]}-{chance[7:19]}"


def _from_ms(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def parse_timestamp(value: object) -> datetime:
    """From an aware datetime, RFC 3339 text, or seconds since 1970; else raise `WebhookEventError`."""
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return _EPOCH + timedelta(milliseconds=round(value * 1000))
        moment = _moment(value.strip()) if isinstance(value, str) else value
        if isinstance(moment, datetime):
            if moment.tzinfo is None:
                raise WebhookEventError(
                    f"timestamp {moment.isoformat()} has no time zone; end it with Z or an offset"
                )
            return _to_millisecond(moment.astimezone(UTC))
    except WebhookEventError:
        raise
    except OverflowError:
        given = value.isoformat() if isinstance(value, datetime) else _shown(value)
        raise WebhookEventError(
            f"timestamp {given} is not within the years 1 to 9999 in UTC"
        ) from None
    except (ValueError, OSError):
        raise WebhookEventError(
            f"timestamp {_shown(value)} is not RFC 3339 (2025-10-29T12:00:00Z) nor epoch seconds"
        ) from None
    raise WebhookEventError(f"timestamp {_shown(value)} is neither a datetime, text nor a number")


def _moment(text: str) -> datetime:
    """A leap second (RFC 3339, 5.6) is the next second, as in seconds since 1970; none is where none can be."""
    if text[16:19] != ":60":
        return datetime.fromisoformat(text)
    moment = datetime.fromisoformat(f"{text[:16]}:59{text[19:]}") + timedelta(seconds=1)
    if moment.astimezone(UTC).strftime("%d %H:%M:%S") != "01 00:00:00":
        raise ValueError
    return moment


def _to_millisecond(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _checked_id(value: object) -> str:
    # The id travels in a header: visible ASCII only, so that it can forge no other header.
    if not isinstance(value, str) or not _HEADER_SAFE_ID.fullmatch(value):
        raise WebhookEventError("event id must be 1 to 256 visible ASCII characters without spaces")
    return str.__str__(value)


def _shown(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > 128:
        return "a huge number"  # Python itself refuses to print one of over 4300 digits
    if isinstance(value, (str, int, float, bool)) or value is None:
        text = repr(value[:41] if isinstance(value, str) else value)
        return text if len(text) <= 44 else text[:40] + "…'"
    return f"a {type(value).__name__}"
