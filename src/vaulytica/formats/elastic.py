"""Elasticsearch, one document by `/<index>/_doc`: the guide's payload format 4, to the letter."""

from __future__ import annotations

from typing import Any

from vaulytica.events import SOURCE, Event
from vaulytica.formats.document import DocumentFormat


class ElasticFormat(DocumentFormat):
    """The guide's document. Its `event.type` is not a valid ECS value, by the guide's own choice."""

    name = "elastic"

    def document(self, event: Event) -> dict[str, Any]:
        """The guide's Elasticsearch payload; severity is a number, 0 to 4."""
        return {
            "@timestamp": event.rfc3339,
            "event": {
                "kind": "alert",
                "category": ["security"],
                "type": [event.type],
                "severity": event.severity.level,
            },
            "observer": {"name": SOURCE, "type": "security_scanner"},
            "message": f"Vaulytica event: {event.type}",
            "vaulytica": event.data,
        }
