"""Datadog Events v1, `/api/v1/events`: the guide's payload format 3. Limits: Datadog's API reference."""

from __future__ import annotations

import json
from typing import Any

from vaulytica.events import Event, Severity
from vaulytica.formats.document import DocumentFormat

MAX_TEXT = 4000  # characters, Datadog's limit on `text`
MAX_TITLE = 500
CUT_MARK = "… [cut by vaulytica]"

_ALERT_TYPES = {
    Severity.CRITICAL: "error",
    Severity.ERROR: "error",
    Severity.WARNING: "warning",
}


class DatadogFormat(DocumentFormat):
    """One event of Datadog's event stream, the data as readable text."""

    name = "datadog"

    def document(self, event: Event) -> dict[str, Any]:
        """The guide's Datadog payload; over-long text is cut with a visible mark."""
        return {
            "title": _cut(f"Vaulytica: {event.type}", MAX_TITLE),
            "text": _cut(json.dumps(event.data, indent=2, ensure_ascii=False), MAX_TEXT),
            "alert_type": _ALERT_TYPES.get(event.severity, "info"),
            "source_type_name": event.source,
            "tags": [
                f"event_type:{event.type}",
                f"severity:{event.severity}",
                f"source:{event.source}",
            ],
            "date_happened": int(event.epoch_seconds // 1),
        }


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - len(CUT_MARK)] + CUT_MARK
