"""Generic JSON, for any endpoint: the guide's payload format 1."""

from __future__ import annotations

from typing import Any

from vaulytica.events import Event
from vaulytica.formats.document import DocumentFormat
from vaulytica.lines import Line, Lines, Written, written


class JsonFormat(DocumentFormat):
    """The envelope, and the event's data under `data`."""

    name = "json"
    has_layouts = True

    def document(self, event: Event) -> dict[str, Any]:
        """The guide's generic JSON payload."""
        return {
            "timestamp": event.rfc3339,
            "source": event.source,
            "event_type": event.type,
            "severity": event.severity,
            "data": event.data,
        }

    def encode_lines(self, lines: Lines) -> Written:
        """The same of lines, their data left as it was read."""
        return written([self._line(line) for line in lines.rows], self._between)

    def _line(self, line: Line) -> bytes | None:
        return self._spliced(
            {
                "timestamp": line.timestamp,
                "source": line.source,
                "event_type": line.type,
                "severity": line.severity,
                "data": line.data,
            }
        )
