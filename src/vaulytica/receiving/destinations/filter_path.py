"""`filter_path`: which parts of an answer are wanted. Source: Elasticsearch's "Common options"."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any


def filtered(value: dict[str, Any], wanted: str) -> dict[str, Any]:
    """The parts that one of the comma-separated paths leads to; `*` is any name or part of one.

    What is empty then goes away, list entries too.
    """
    paths = [path.split(".") for path in wanted.split(",") if path]
    kept = _kept(value, paths)
    return kept if isinstance(kept, dict) else {}


def _kept(value: Any, paths: list[list[str]]) -> Any:
    if isinstance(value, list):
        return [kept for one in value if (kept := _kept(one, paths))]
    if not isinstance(value, dict):
        return None
    out = {}
    for name, inner in value.items():
        rest = [path[1:] for path in paths if fnmatchcase(name, path[0])]
        if [] in rest:
            out[name] = inner
        elif rest and (kept := _kept(inner, rest)):
            out[name] = kept
    return out
