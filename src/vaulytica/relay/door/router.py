"""Router: which destinations each event is for. Pure; what it is asked of a batch, it mostly answers at once.

Destinations without a `match` cost nothing for an event; those that go by type and severity are asked
once for each pair of these; only a `where` or an `order_by` looks into the data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from vaulytica.expressions import Pick, compiled
from vaulytica.jsonvalues import compact_json
from vaulytica.relay.config import DestinationSettings
from vaulytica.relay.door.accept import Entry
from vaulytica.relay.door.match import Match, document_of

_MOST_PAIRS = 10_000  # of type and severity that are remembered
_LONGEST_KEY = 200  # characters
_WHOLE = ""  # the key of a destination that is `ordered` altogether


class Group(msgspec.Struct):
    """Events that go the same way: `positions` in what was given, None for all of it."""

    destinations: tuple[str, ...]
    entries: Sequence[Entry]
    key: str | None = None
    positions: list[int] | None = None


def by_severity(group: Group) -> list[Group]:
    """The same, each part of one severity; but what has a key stays together, in its order."""
    if group.key is not None:
        return [group]
    parts: dict[str, Group] = {}
    for at, entry in enumerate(group.entries):
        part = parts.get(entry.severity)
        if part is None:
            part = parts[entry.severity] = Group(group.destinations, [], None, [])
        assert isinstance(part.entries, list)
        assert part.positions is not None
        part.entries.append(entry)
        part.positions.append(at if group.positions is None else group.positions[at])
    return [group] if len(parts) == 1 else list(parts.values())


class _Wanting(msgspec.Struct, frozen=True):
    """Who may want events of one type and severity: whoever is in `sure` does."""

    sure: tuple[str, ...]
    asking: tuple[str, ...]  # with a condition
    ordered: bool  # whether any of all these keeps an order

    @property
    def is_simple(self) -> bool:
        """Whether nobody has to look into the data."""
        return not self.asking and not self.ordered


class Router:
    """Over all destinations, by name."""

    def __init__(self, destinations: Mapping[str, DestinationSettings]) -> None:
        self._matches: dict[str, Match] = {}
        self._orders: dict[str, Pick | None] = {}
        for name, settings in destinations.items():
            if (match := settings.match) is not None:
                self._matches[name] = Match(match.types, match.min_severity, match.where)
            if settings.is_ordered:
                by = settings.order_by
                self._orders[name] = None if by is None or settings.ordered else compiled(by)
        self._names = tuple(destinations)
        self._all_want_all = not self._matches and not self._orders
        self._known: dict[tuple[str, str], _Wanting] = {}

    def route(self, entries: Sequence[Entry]) -> list[Group]:
        """The events by where they go, in order; those that nobody wants are in none."""
        if self._all_want_all:
            return [Group(self._names, entries)]
        pairs = {(entry.type, entry.severity) for entry in entries}
        wanting = {pair: self._wanting(pair) for pair in pairs}
        first, *others = wanting.values()
        if first.is_simple and all(other == first for other in others):
            return [Group(first.sure, entries)] if first.sure else []
        groups: dict[tuple[tuple[str, ...], str | None], Group] = {}
        for position, entry in enumerate(entries):
            for names, key in self._ways(entry, wanting[entry.type, entry.severity]):
                group = groups.get((names, key))
                if group is None:
                    group = groups[names, key] = Group(names, [], key, [])
                assert isinstance(group.entries, list)
                assert group.positions is not None
                group.entries.append(entry)
                group.positions.append(position)
        return list(groups.values())

    def _wanting(self, pair: tuple[str, str]) -> _Wanting:
        known = self._known.get(pair)
        if known is None:
            if len(self._known) >= _MOST_PAIRS:
                self._known.clear()
            known = self._known[pair] = self._ask(*pair)
        return known

    def _ask(self, type: str, severity: str) -> _Wanting:
        sure: list[str] = []
        asking: list[str] = []
        for name in self._names:
            match = self._matches.get(name)
            if match is None or match.may_want(type, severity):
                (sure if match is None or match.where is None else asking).append(name)
        ordered = any(name in self._orders for name in (*sure, *asking))
        return _Wanting(tuple(sure), tuple(asking), ordered)

    def _ways(self, entry: Entry, wanting: _Wanting) -> list[tuple[tuple[str, ...], str | None]]:
        """The destinations of one event: those without an order together, others by their keys."""
        if wanting.is_simple:
            return [(wanting.sure, None)] if wanting.sure else []
        document = document_of(entry)
        fits = (name for name in wanting.asking if self._matches[name].fits(document))
        ways: dict[str | None, list[str]] = {}
        for name in (*wanting.sure, *fits):
            ways.setdefault(self._key(name, document), []).append(name)
        return [(tuple(names), key) for key, names in ways.items()]

    def _key(self, name: str, document: object) -> str | None:
        if name not in self._orders:
            return None
        pick = self._orders[name]
        if pick is None:
            return _WHOLE
        value = pick(document)
        if value is None:  # it has no such value, and so no order
            return None
        key = compact_json(value).decode()
        if len(key) > _LONGEST_KEY:
            key = hashlib.sha256(key.encode()).hexdigest()
        return key
