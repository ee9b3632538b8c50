"""What an index holds to: its name's rules, and the type that each field got from its first value.

Sources: Elasticsearch's "Create index" (names) and "Dynamic field mapping" (types), simplified: no
date detection, and no templates.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import Any

_DEEPEST = 20  # index.mapping.depth.limit
_LONG = range(-(2**63), 2**63)
_NOT_IN_NAMES = ' "*\\<|,>/?'
_LONGEST_NAME = 255  # bytes


class MappingError(Exception):
    """The document does not fit the index."""


def wrong_name(index: str) -> str | None:
    """What is wrong with an index's name; None if nothing is."""
    size = len(index.encode("utf-8", "replace"))
    rules = (
        (not index, "must not be empty"),
        (set(index) & set(_NOT_IN_NAMES), f"must not contain any of {list(_NOT_IN_NAMES)}"),
        (set(index) & set("#:"), "must not contain '#' or ':'"),
        (index[:1] in tuple("_-+"), "must not start with '_', '-', or '+'"),
        (index in (".", ".."), "must not be '.' or '..'"),
        (size > _LONGEST_NAME, f"index name is too long, ({size} > {_LONGEST_NAME})"),
        (index.lower() != index, "must be lowercase"),
    )
    return next((why for is_wrong, why in rules if is_wrong), None)


class Mapping:
    """The types of an index's fields."""

    def __init__(self) -> None:
        self._types: dict[str, str] = {}

    def learn(self, document: dict[str, Any]) -> None:
        """Add the fields that are new; raises `MappingError`, and adds none, if one does not fit."""
        new: dict[str, str] = {}
        for path, value in _fields(document, "", 1):
            known = self._types.get(path) or new.get(path)
            if known is None:
                new[path] = known = _type(value)
            if not _fits(known, value):
                raise MappingError(_reason(path, known, value))
        self._types |= new


def _fields(value: dict[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Each field with its whole path; lists are as if the field were there once for each entry."""
    if depth > _DEEPEST:
        raise MappingError(f"Limit of mapping depth [{_DEEPEST}] has been exceeded at [{prefix}]")
    for name, given in value.items():
        first, dot, rest = name.partition(".")
        if not first or (dot and not rest):
            raise MappingError(f"field name [{name}] is empty, or starts or ends with a [.]")
        if dot:
            given = {rest: given}
        path = f"{prefix}{first}"
        for one in _flat(given):
            yield path, one
            if isinstance(one, dict):
                yield from _fields(one, f"{path}.", depth + 1)


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for one in value:
            yield from _flat(one)
    elif value is not None:
        yield value


def _type(value: Any) -> str:
    if isinstance(value, dict):
        return "object"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "long"
    return "float" if isinstance(value, float) else "text"


def _fits(known: str, value: Any) -> bool:
    if known == "object" or isinstance(value, dict):
        return known == "object" and isinstance(value, dict)
    if known == "text":
        return True
    if known == "boolean":
        return isinstance(value, bool) or value in ("true", "false", "")
    if type(value) is int:
        return known == "float" or value in _LONG
    try:
        number = float("nan") if value is True or value is False else float(value)
    except ValueError:
        return False
    return isfinite(number) and (known == "float" or int(number) in _LONG)


def _reason(path: str, known: str, value: Any) -> str:
    if known == "object":
        return f"object mapping for [{path}] tried to parse field [{path}] as object, but found a concrete value"
    return f"failed to parse field [{path}] of type [{known}]. Preview of field's value: '{str(value)[:50]}'"
