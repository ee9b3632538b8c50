"""The guide's document: its payload format 4, to the letter."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vaulytica.events import SOURCE, Event, Severity
from vaulytica.formats.elastic.search import ElasticOptions, SearchFormat
from vaulytica.jsonvalues import Dumps, compact_json
from vaulytica.lines import Kept, Line, Lines, SeverityName

_DEFAULTS = ElasticOptions()


class ElasticFormat(SearchFormat):
    """The guide's document. Its `event.type` is not a valid ECS value, by the guide's own choice."""

    name = "elastic"

    def __init__(
        self, *, dumps: Dumps = compact_json, options: ElasticOptions = _DEFAULTS, url: str = ""
    ) -> None:
        super().__init__(dumps=dumps, options=options, url=url)
        self._heads = Kept(self._new_head)

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
        return self._heads[event.type, event.severity]

    def heads(self, lines: Lines) -> Iterable[str]:
        """The same of each line."""
        rows = lines.rows
        kinds = zip([row.type for row in rows], [row.severity for row in rows], strict=True)
        return map(self._heads.__getitem__, kinds)

    def _new_head(self, kind: tuple[str, SeverityName]) -> str:
        return super().head(Line(type=kind[0], severity=kind[1]))
