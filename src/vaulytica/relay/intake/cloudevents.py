"""CloudEvents 1.0 over HTTP, structured, batched and binary: each becomes an event.

`id`, `type`, `source`, `time` and the extension `severity` are the event's own. Data that is a JSON
object is the event's data; any other is under `data` in it. What else the CloudEvent says of itself is
under `cloudevent`, so that nothing of it is lost.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import unquote_to_bytes

from vaulytica.errors import WebhookEventError
from vaulytica.events import Event, Severity
from vaulytica.relay.door.accept import Entry
from vaulytica.relay.intake.reading import Reader
from vaulytica.relay.intake.refusal import Refusal

STRUCTURED, BATCH = b"application/cloudevents+json", b"application/cloudevents-batch+json"
_OWN = ("specversion", "id", "type", "source", "time", "data", "data_base64", "severity")
_ID = re.compile(r"[\x21-\x7e]{1,256}")
_NAME = re.compile(r"[a-z0-9]{1,100}")
_JSON = re.compile(r"application/json|text/json|[^;/]+/[^;/]+\+json")
_NUMBERS = (  # of OpenTelemetry, which CloudEvents' own extension `severitynumber` has
    (8, Severity.DEBUG),
    (12, Severity.INFO),
    (16, Severity.WARNING),
    (20, Severity.ERROR),
    (24, Severity.CRITICAL),
)


def structured(reader: Reader, body: bytes) -> Iterator[Sequence[Entry]]:
    """From one CloudEvent as a JSON document."""
    return reader.values([reader.one(body)], event_of)


def batch(reader: Reader, body: bytes) -> Iterator[Sequence[Entry]]:
    """From an array of them."""
    if body.lstrip()[:1] != b"[":
        raise Refusal(400, f"a body of {BATCH.decode()} is an array")
    return reader.values(reader.objects(body), event_of)


def binary(reader: Reader, body: bytes, headers: dict[bytes, bytes]) -> Iterator[Sequence[Entry]]:
    """From one whose data is the body, and whose attributes are headers that begin with `ce-`."""
    document: dict[str, Any] = {
        name[3:].decode("latin-1"): _header_text(name, value)
        for name, value in headers.items()
        if name.startswith(b"ce-")
    }
    content_type = headers.get(b"content-type", b"").decode("latin-1")
    if content_type:
        document["datacontenttype"] = content_type
    if not body:
        return reader.values([_text(document)], event_of)
    if not content_type or _is_json(content_type):
        one = reader.one(body)
        document.pop("data", None)
        return reader.values([_text(document)[:-1] + b',"data":' + one + b"}"], event_of)
    try:
        document["data"] = body.decode("utf-8")
    except UnicodeDecodeError:
        document["data_base64"] = base64.b64encode(body).decode()
    return reader.values([_text(document)], event_of)


def _text(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()


def _header_text(name: bytes, value: bytes) -> str:
    try:
        return unquote_to_bytes(value.strip(b' "')).decode("utf-8")
    except UnicodeDecodeError:
        raise Refusal(400, f"the header {name.decode('latin-1')} is not UTF-8") from None


def _is_json(content_type: str) -> bool:
    return _JSON.fullmatch(content_type.partition(";")[0].strip().lower()) is not None


def event_of(value: Any, max_bytes: int) -> Event:
    """The event that a CloudEvent stands for; raises `WebhookEventError` if it is none."""
    if not isinstance(value, dict):
        raise WebhookEventError("a CloudEvent is an object")
    document = {name: part for name, part in value.items() if part is not None or name == "data"}
    if document.get("specversion") != "1.0":
        raise WebhookEventError('a CloudEvent has "specversion": "1.0"; others are not known here')
    for name in ("id", "type", "source"):
        if not isinstance(document.get(name), str) or not document[name]:
            raise WebhookEventError(f'a CloudEvent has "{name}", a text that is not empty')
    about = {name: part for name, part in document.items() if name not in _OWN}
    for name in about:
        if not _NAME.fullmatch(name):
            raise WebhookEventError(
                f"a CloudEvent's attributes are named by a-z and 0-9 only, not {name[:40]!r}"
            )
    id = document["id"]
    if not _ID.fullmatch(id):  # an event's id travels in a header
        about["id"] = id
        both = f"{document['source']}\0{id}".encode("utf-8", "surrogatepass")
        id = f"ce-{hashlib.sha256(both).hexdigest()[:32]}"
    return Event.create(
        document["type"],
        _data(document, about),
        _severity(document),
        timestamp=document.get("time"),
        id=id,
        source=document["source"],
        max_bytes=max_bytes,
    )


def _severity(document: dict[str, Any]) -> Severity:
    if "severity" in document:
        return Severity.parse(document["severity"])
    number = document.get("severitynumber")
    if isinstance(number, str) and number.isascii() and number.isdigit() and len(number) < 3:
        number = int(number)  # from a header
    if isinstance(number, int):
        for most, severity in _NUMBERS:
            if 1 <= number <= most:
                return severity
    return Severity.INFO


def _base64(value: Any) -> str:
    """It, if it is what its name says: whoever reads the event decodes it."""
    try:
        if isinstance(value, str):
            base64.b64decode(value, validate=True)
            return value
    except ValueError:
        pass
    raise WebhookEventError('"data_base64" of a CloudEvent is a text in base64 (RFC 4648)')


def _data(document: dict[str, Any], about: dict[str, Any]) -> dict[str, Any]:
    if _is_json(str(about.get("datacontenttype", ""))):
        del about["datacontenttype"]
    if "data" in document and "data_base64" in document:
        raise WebhookEventError('a CloudEvent has "data" or "data_base64", not both')
    data: dict[str, Any] = {}
    if "data_base64" in document:
        data = {"data_base64": _base64(document["data_base64"])}
    elif isinstance(document.get("data"), dict):
        data = document["data"]
    elif "data" in document:
        data = {"data": document["data"]}
    if not about:
        return data
    if "cloudevent" in data:
        data = {"data": data}
    return {**data, "cloudevent": about}
