"""Generic JSON, for any endpoint: the guide's payload format 1."""

from __future__ import annotations

from typing import Any

from vaulytica.events import Event
from vaulytica.formats.document import DocumentFormat


class JsonFormat(DocumentFormat):
    """The envelope, and the event's data under `data`."""

    name = "json"

    def document(self, event: Event) -> dict[str, Any]:
        """The guide's generic JSON payload."""
        return {
            "timestamp": event.rfc3339,
            "source": event.source,
            "event_type": event.type,
            "severity": event.severity,
            "data": event.data,
        }
