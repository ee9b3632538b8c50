"""What a body is, as its Content-Type says, and how it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from vaulytica.relay.door.accept import Entry
from vaulytica.relay.intake import cloudevents
from vaulytica.relay.intake.reading import Reader
from vaulytica.relay.intake.refusal import Refusal

Read = Callable[[Reader, bytes], Iterator[Sequence[Entry]]]
"""Reads a body, block by block."""

LINES, JSON = Reader.lines, Reader.json
_KINDS: dict[bytes, Read] = {
    b"application/json": JSON,
    b"text/json": JSON,
    b"application/x-ndjson": LINES,
    b"application/ndjson": LINES,
    b"application/jsonl": LINES,
    b"application/x-jsonl": LINES,
    b"application/jsonlines": LINES,
    b"application/x-jsonlines": LINES,
    cloudevents.STRUCTURED: cloudevents.structured,
    cloudevents.BATCH: cloudevents.batch,
    # What says nothing of a body; curl's own is the last. Browsers may send these anywhere unasked.
    b"": JSON,
    b"text/plain": JSON,
    b"application/octet-stream": JSON,
    b"application/x-www-form-urlencoded": JSON,
}
_KNOWN = "application/json, application/x-ndjson or application/cloudevents+json"


def kind_of(headers: dict[bytes, bytes]) -> Read:
    """How to read the body; `Refusal` (415) where it is nothing that is known here."""
    if b"ce-specversion" in headers:
        return partial(cloudevents.binary, headers=headers)
    content_type, _, parameters = headers.get(b"content-type", b"").lower().partition(b";")
    kind = _KINDS.get(content_type.strip())
    if kind is None:
        raise Refusal(415, f"Content-Type must be {_KNOWN}")
    if b"charset=" in parameters and b"utf-8" not in parameters and b"us-ascii" not in parameters:
        raise Refusal(415, "the charset of events is UTF-8")
    return kind
