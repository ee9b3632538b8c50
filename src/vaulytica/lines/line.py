"""Line: an event as it was read, its data left as bytes."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import msgspec

from vaulytica.events import SOURCE, Event

SeverityName = Literal["debug", "info", "warning", "error", "critical"]
_Text = Annotated[str, msgspec.Meta(min_length=1)]


class Line(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, gc=False):
    """An event whose `data` is the bytes of a JSON object, as they were read: all on one line.

    Made by `decode`, which sets `timestamp` (as `Event.rfc3339` prints it) and `id` where absent.
    """

    type: _Text
    data: msgspec.Raw = msgspec.Raw(b"{}")
    severity: SeverityName = "info"
    timestamp: _Text = ""
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=256)] = ""
    source: _Text = SOURCE
    metadata: dict[str, Any] | None = None

    def event(self) -> Event:
        """The event, its data decoded."""
        return Event.create(
            self.type,
            json.loads(bytes(self.data)),
            self.severity,
            timestamp=self.timestamp,
            id=self.id,
            source=self.source,
            metadata=self.metadata,
        )
