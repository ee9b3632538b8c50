"""The statements of queries.sql by name."""

from __future__ import annotations

import re
from importlib.resources import files

_NAMED = re.compile(r"^-- name: (\w+)$(.*?)(?=^-- name: |\Z)", re.MULTILINE | re.DOTALL)


def load(text: str) -> dict[str, str]:
    """Each statement of a file by its name."""
    return {name: " ".join(statement.split()) for name, statement in _NAMED.findall(text)}


SQL = load(files("vaulytica.outbox.sqlite").joinpath("queries.sql").read_text("utf-8"))
