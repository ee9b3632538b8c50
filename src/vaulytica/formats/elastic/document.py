"""The guide's document: its payload format 4, to the letter."""

from __future__ import annotations

from typing import Any

from vaulytica.events import SOURCE, Event, Severity
from vaulytica.formats.elastic.search import ElasticOptions, SearchFormat
from vaulytica.jsonvalues import Dumps, compact_json
from vaulytica.lines import Line

_DEFAULTS = ElasticOptions()
_MOST_KEPT = 4096
_LONGEST_KEPT = 1024  # characters


class ElasticFormat(SearchFormat):
    """The guide's document. Its `event.type` is not a valid ECS value, by the guide's own choice."""

    name = "elastic"

    def __init__(
        self, *, dumps: Dumps = compact_json, options: ElasticOptions = _DEFAULTS, url: str = ""
    ) -> None:
        super().__init__(dumps=dumps, options=options, url=url)
        self._heads: dict[tuple[str, str], str] = {}

    def members(self, event: Event | Line) -> dict[str, Any]:
        """The guide's; severity is a number, 0 to 4."""
        return {
            "event": {
                "kind": "alert",
                "category": ["security"],
                "type": [event.type],
                "severity": Severity(event.severity).level,
            },
            "observer": {"name": SOURCE, "type": "security_scanner"},
            "message": f"Vaulytica event: {event.type}",
        }

    def head(self, event: Event | Line) -> str:
        """The same as text, kept: a few types and severities make up most events."""
        return self._heads.get((event.type, event.severity)) or self._new_head(event)

    def _new_head(self, event: Event | Line) -> str:
        head = super().head(event)
        if len(head) <= _LONGEST_KEPT:
            if len(self._heads) >= _MOST_KEPT:
                self._heads.clear()
            self._heads[(event.type, event.severity)] = head
        return head
