"""Match: whether a destination wants an event. By type and severity alone, a pair is looked at only once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from fnmatch import translate
from typing import Any

from vaulytica.events import Event, Severity
from vaulytica.expressions import compiled, is_true
from vaulytica.lines import Line

Entry = Event | Line


def document_of(entry: Entry) -> dict[str, Any]:
    """The event as expressions see it."""
    is_line = type(entry) is Line
    return {
        "id": entry.id,
        "type": entry.type,
        "severity": str(entry.severity),
        "timestamp": entry.timestamp if is_line else entry.rfc3339,  # type: ignore[union-attr]
        "source": entry.source,
        "data": json.loads(bytes(entry.data)) if is_line else entry.data,  # type: ignore[arg-type]
        "metadata": entry.metadata,
    }


class Match:
    """Compiled: `types` are globs (none: any type), `where` is JMESPath."""

    def __init__(
        self,
        types: Iterable[str] = (),
        min_severity: Severity = Severity.DEBUG,
        where: str | None = None,
    ) -> None:
        globs = [translate(glob) for glob in types]
        self._types = re.compile("|".join(globs)) if globs else None
        self._least = min_severity.level
        self.where = None if where is None else compiled(where)

    def may_want(self, type: str, severity: str) -> bool:
        """Whether an event of that type and severity may be wanted; it is, if there is no `where`."""
        if Severity(severity).level < self._least:
            return False
        return self._types is None or self._types.match(type) is not None

    def fits(self, document: Any) -> bool:
        """Whether `where` holds."""
        assert self.where is not None
        return is_true(self.where(document))
