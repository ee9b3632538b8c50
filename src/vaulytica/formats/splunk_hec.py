"""Splunk HTTP Event Collector, `/services/collector/event`: the guide's payload format 2."""

from __future__ import annotations

from typing import Any

from vaulytica.events import SOURCE, Event
from vaulytica.formats.document import DocumentFormat


class SplunkHecFormat(DocumentFormat):
    """One HEC event: metadata outside, envelope and data together under `event`."""

    name = "splunk_hec"

    def document(self, event: Event) -> dict[str, Any]:
        """The guide's Splunk payload; data never overwrites the envelope's three fields."""
        inner: dict[str, Any] = {
            "event_type": event.type,
            "severity": event.severity,
            "timestamp": event.rfc3339,
        }
        for key, value in event.data.items():
            inner[_free_name(key, inner, event.data) if key in _ENVELOPE else key] = value
        return {
            "time": event.epoch_seconds,
            "host": SOURCE,
            "source": event.source,
            "sourcetype": f"vaulytica:{event.type}",
            "event": inner,
        }


_ENVELOPE = frozenset({"event_type", "severity", "timestamp"})


def _free_name(key: str, taken: dict[str, Any], data: dict[str, Any]) -> str:
    # Whoever owns a file could forge a severity if data could take the envelope's place.
    name = f"data.{key}"
    while name in taken or name in data:
        name = f"data.{name}"
    return name
