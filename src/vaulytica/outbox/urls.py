"""URLs of outboxes, as they are often written: what to write instead."""

from __future__ import annotations

import re

_EXAMPLE = "sqlite:///var/lib/vaulytica/outbox.db"
_FILE = re.compile(r"(?:(?P<scheme>sqlite|file):)?(?P<slashes>/*)(?P<path>[^/].*)", re.IGNORECASE)


def written_right(url: str) -> str:
    """With the path that was given, if that is a whole one; else an example. Two slashes begin none."""
    found = _FILE.fullmatch(url)
    if found is None or len(found["slashes"]) in (0, 2):
        return _EXAMPLE
    scheme = (found["scheme"] or "").lower()
    is_uri = scheme == "file"  # SQLite's, with settings behind a question mark
    path = found["path"].partition("?")[0] if is_uri else found["path"]
    return f"sqlite:///{path}"
