"""The line before each document of a bulk: always `create`, the one action that data streams take."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from vaulytica.errors import WebhookEventError
from vaulytica.events import Event
from vaulytica.formats.elastic.index import IndexPattern, wrong_name
from vaulytica.jsonvalues import Dumps
from vaulytica.lines import Line

_ID = "?"  # where the id goes in a line that is kept: no name of an index holds it
_MOST_KEPT = 4096
_LONGEST_KEPT = 1024  # characters

Around = tuple[str, str]  # what a line has before the id, and after it


class ActionWriter:
    """Writes `{"create":{"_index":…,"_id":…}}`; without `_index` where the URL names it.

    `_id` is the event's: what is sent again is then a conflict, not a second document.
    """

    def __init__(self, pattern: IndexPattern | None, dumps: Dumps) -> None:
        self._dumps = dumps
        self._pattern = pattern if pattern is not None and pattern.literal is None else None
        self._fixed = self._around(None if pattern is None else pattern.literal)
        self._kept: dict[Hashable, Around] = {}
        self._reads_more = pattern is not None and pattern.reads_more

    def write(self, event: Event, stamp: str) -> str:
        """The line, with its end; `WebhookEventError` if there is no index for this event."""
        before, after = self._fixed
        if self._pattern is not None or event.metadata is not None:
            before, after = self._around_of(event, stamp)
        return f"{before}{self._escaped(event.id)}{after}"

    def arounds(self, rows: Sequence[Line]) -> Sequence[Around | None]:
        """What each of these has around its id; None where it names an index itself, or has none."""
        if self._pattern is None:
            return [self._fixed if row.metadata is None else None for row in rows]
        return [self._around_if_any(row) for row in rows]

    def ids(self, ids: Sequence[str]) -> Sequence[str]:
        """As they stand in the line."""
        all = "".join(ids)
        return list(map(self._escaped, ids)) if '"' in all or "\\" in all else ids

    def _escaped(self, id: str) -> str:
        return self._dumps(id)[1:-1].decode() if '"' in id or "\\" in id else id

    def _around_if_any(self, row: Line) -> Around | None:
        try:
            return None if row.metadata is not None else self._around_of(row, row.timestamp)
        except ValueError:  # its neighbours are fine, and as an event it says what is wrong
            return None

    def _around_of(self, event: Event | Line, stamp: str) -> Around:
        if event.metadata is not None and event.metadata.get("index") is not None:
            return self._around(_own_index(event))
        if self._pattern is None:
            return self._fixed
        if self._pattern.reads_data:
            return self._around(self._pattern.name(event, stamp))
        hour = stamp[:13]  # dates are no finer
        key = (hour, event.type, event.severity, event.source) if self._reads_more else hour
        if (around := self._kept.get(key)) is None:
            around = self._around(self._pattern.name(event, stamp))
            if len(event.type) + len(event.source) <= _LONGEST_KEPT:
                if len(self._kept) >= _MOST_KEPT:
                    self._kept.clear()
                self._kept[key] = around
        return around

    def _around(self, index: str | None) -> Around:
        place = {"_id": _ID} if index is None else {"_index": index, "_id": _ID}
        before, _, after = self._dumps({"create": place}).decode().partition(_ID)
        return before, f"{after}\n"


def _own_index(event: Event | Line) -> str:
    name = (event.metadata or {}).get("index")
    why = wrong_name(name) if isinstance(name, str) else "is no text"
    if why is not None:
        raise WebhookEventError(f"metadata: index {why}", event_id=event.id)
    return str(name)
