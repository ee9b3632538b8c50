"""What formats have in common that send one JSON document for one event."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from vaulytica.delivery.batching import Batch
from vaulytica.delivery.outcome import Outcome, outcome_of_status
from vaulytica.delivery.ports import Limits
from vaulytica.delivery.request import Response
from vaulytica.events import Event
from vaulytica.jsonvalues import Dumps, compact_json


class DocumentFormat(ABC):
    """One JSON document an event, one event a request. `dumps` writes the document as bytes."""

    name: str
    content_type = "application/json"
    limits = Limits(max_events=1)

    def __init__(self, *, dumps: Dumps = compact_json) -> None:
        self._dumps = dumps

    @abstractmethod
    def document(self, event: Event) -> dict[str, Any]:
        """The event as this destination's JSON object."""

    def encode(self, event: Event) -> bytes:
        """The document as bytes."""
        return self._dumps(self.document(event))

    def join(self, parts: Sequence[bytes]) -> bytes:
        """The one document."""
        (part,) = parts
        return part

    def settle(self, response: Response, batch: Batch) -> list[Outcome]:
        """What the status says, for the one event."""
        return [outcome_of_status(response)] * len(batch.items)


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
