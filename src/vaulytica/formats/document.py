"""What formats have in common whose events are one JSON document each: alone, in an array, or in lines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from msgspec.structs import replace

from vaulytica.delivery.batching import Batch
from vaulytica.delivery.outcome import Outcome, outcome_of_status
from vaulytica.delivery.ports import Limits
from vaulytica.delivery.request import Response
from vaulytica.events import Event
from vaulytica.jsonvalues import Dumps, compact_json


class Layout(StrEnum):
    """How a body holds documents: one alone, a JSON array of them, or a line for each."""

    SINGLE = "single"
    ARRAY = "array"
    NDJSON = "ndjson"


class DocumentFormat(ABC):
    """One JSON document an event. `dumps` writes a document as bytes; `layout` says how a body holds them.

    A receiver relies on the shape: in an array or in lines, one event is an array or a line of one.
    """

    name: str
    has_layouts = False  # whether the user may choose one
    content_type = "application/json"
    limits = Limits(max_events=1)
    # What an array or lines may hold where nothing is known of the receiver: many servers take a
    # megabyte by default (nginx: client_max_body_size).
    most = Limits(max_events=500, max_bytes=1_000_000)

    _opening = _between = _closing = b""

    def __init__(self, *, dumps: Dumps = compact_json, layout: Layout | str | None = None) -> None:
        self._dumps = dumps
        self.layout = Layout(layout or Layout.SINGLE)
        if self.layout is Layout.SINGLE:
            return
        if self.layout is Layout.ARRAY:  # in the writer's own way, which the signature covers
            self._opening, self._between, self._closing = dumps([0, 0]).split(b"0")
        else:
            self.content_type = "application/x-ndjson"
            self._between = self._closing = b"\n"
        fixed = len(self._opening) + len(self._closing)
        self.limits = replace(self.most, fixed=fixed, between=len(self._between))

    @abstractmethod
    def document(self, event: Event) -> dict[str, Any]:
        """The event as this destination's JSON object."""

    def encode(self, event: Event) -> bytes:
        """The document as bytes."""
        return self._dumps(self.document(event))

    def join(self, parts: Sequence[bytes]) -> bytes:
        """The one document, or the array or lines of them all."""
        if self.layout is Layout.SINGLE:
            (part,) = parts
            return part
        return self._opening + self._between.join(parts) + self._closing

    def settle(self, response: Response, batch: Batch) -> list[Outcome]:
        """What the status says, for every event alike."""
        return [outcome_of_status(response)] * len(batch)

    def _spliced(self, document: Any) -> bytes | None:
        """A document whose data is bytes already; None where they might not be as they must be."""
        if self._dumps is not compact_json:
            return None
        part = compact_json(document)
        return None if self.layout is Layout.NDJSON and b"\n" in part else part


def custom_context(event: Event) -> dict[str, Any]:
    """What a custom template or function sees: the guide's four names, and the event's id and source."""
    return {
        "event_type": event.type,
        "severity": str(event.severity),
        "timestamp": event.rfc3339,
        "event_data": event.data,
        "event_id": event.id,
        "source": event.source,
    }
