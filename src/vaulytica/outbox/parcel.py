"""Parcel: events as the outbox keeps them, one blob of lines for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from vaulytica.events import Event, Severity
from vaulytica.lines import Line, Lines, encode

Entry = Event | Line | Mapping[str, object]


class Parcel(msgspec.Struct, frozen=True):
    """Events as lines (`vaulytica.lines.encode`), their ids in order, and the highest severity's level."""

    body: bytes
    ids: Sequence[str]
    severity: int = 0

    @classmethod
    def of(cls, events: Entry | Iterable[Entry]) -> Parcel:
        """From one event or many; a mapping is checked, and raises `WebhookEventError` if it is none."""
        if isinstance(events, Lines):
            level = _highest({row.severity for row in events.rows})
            return cls(encode(events), events.ids, level)
        given = [events] if isinstance(events, (Event, Line, Mapping)) else events
        entries: list[Event | Line] = [
            entry if isinstance(entry, Line) else Event.from_mapping(entry) for entry in given
        ]
        level = _highest({entry.severity for entry in entries})
        return cls(encode(entries), tuple([entry.id for entry in entries]), level)

    def __len__(self) -> int:
        return len(self.ids)


def _highest(severities: set[str]) -> int:
    return max((Severity(severity).level for severity in severities), default=0)
