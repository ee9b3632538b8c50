"""Tables of parts by name, loaded when used: name → "module:Class"; third parties add theirs by entry point."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from vaulytica.errors import did_you_mean


class Table:
    """One folder's table. `group` is the entry-point group in which third parties add names."""

    def __init__(self, what: str, group: str, entries: Mapping[str, str]) -> None:
        self.what = what
        self.group = group
        self.entries = dict(entries)

    def names(self) -> list[str]:
        """All known names, ours first."""
        return [*self.entries, *(name for name in self.foreign() if name not in self.entries)]

    def load(self, name: str) -> Any:
        """The class of that name; raises `LookupError` listing the known ones."""
        target = self.entries.get(name) or self.foreign().get(name)
        if target is None:
            near = did_you_mean(name, self.names())
            raise LookupError(
                f"unknown {self.what} {name!r}; known are {', '.join(self.names())}{near}"
            )
        module, _, attribute = target.partition(":")
        return getattr(import_module(module), attribute)

    def __contains__(self, name: object) -> bool:
        return name in self.entries or name in self.foreign()

    def foreign(self) -> dict[str, str]:
        """What others have added by entry point."""
        from importlib.metadata import entry_points  # slow to import, and needed for odd names only

        return {entry.name: entry.value for entry in entry_points(group=self.group)}
