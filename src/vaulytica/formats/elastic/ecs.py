"""A document that is valid against ECS, the Elastic Common Schema."""

from __future__ import annotations

from typing import Any

import msgspec

from vaulytica.events import Event, Severity
from vaulytica.formats.elastic.ecs_fields import fill
from vaulytica.formats.elastic.ecs_words import categorised
from vaulytica.formats.elastic.search import SearchFormat
from vaulytica.lines import Line

# Every field here is in 9.x with the same meaning; installations of 8.x know no later one.
ECS_VERSION = "8.17.0"


class EcsFormat(SearchFormat):
    """Our event's type as `event.action`, known names of its data in ECS's fields, all under `vaulytica`."""

    name = "ecs"

    def members(self, event: Event | Line) -> dict[str, Any]:
        """ECS's fields, but for the time."""
        severity = Severity(event.severity)
        members: dict[str, Any] = {
            "ecs": {"version": ECS_VERSION},
            "event": {
                "kind": "alert",
                **categorised(event.type),
                "action": event.type,
                "severity": severity.level,
                "id": event.id,
            },
            "log": {"level": severity.value},
            "message": f"Vaulytica event: {event.type}",
            "observer": {"name": event.source, "vendor": "Vaulytica", "type": "security_scanner"},
        }
        data = event.data if isinstance(event, Event) else msgspec.json.decode(event.data)
        if isinstance(data.get("message"), str) and data["message"].strip():
            members["message"] = data["message"]
        fill(members, data)
        return members
