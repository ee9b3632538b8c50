"""Kinds: numbers and truth values that a file has as something else, which Python would make the best of.

A file's types are its own to say: what `"30"` or `"no"` is taken for should not depend on the setting, and
an editor that goes by the schema refuses it, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, BeforeValidator

from vaulytica.config.settings import SECONDS, models_in

Keys = tuple[str | int, ...]

_TRUTHS = ("true", "false", "yes", "no", "on", "off")
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?", re.IGNORECASE | re.ASCII)
_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|[smhdw])", re.IGNORECASE | re.ASCII)
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def wrong_kinds(model: type[BaseModel], settings: Mapping[str, Any]) -> list[tuple[Keys, str]]:
    """The settings, also those inside others, that are of the wrong kind, and what to say of each."""
    found: list[tuple[Keys, str]] = []
    for name, field in model.model_fields.items():
        shown = field.alias or name
        value = settings.get(shown)
        inner = models_in(field.annotation)
        if inner and isinstance(value, Mapping):
            found += [((shown, *keys), what) for keys, what in wrong_kinds(inner[0], value)]
        elif inner and isinstance(value, list):
            for n, one in enumerate(value):
                wrong = wrong_kinds(inner[0], one) if isinstance(one, Mapping) else []
                found += [((shown, n, *keys), what) for keys, what in wrong]
        elif value is not None and (what := _wrong(field.annotation, field.metadata, value)):
            found.append(((shown,), what))
    return found


def _wrong(annotation: Any, metadata: list[Any], value: object) -> str | None:
    leaves = [*_leaves(annotation), *metadata]
    reads_more = any(isinstance(leaf, BeforeValidator) for leaf in leaves)  # than its type says
    if reads_more:
        return None
    kinds = {leaf for leaf in leaves if isinstance(leaf, type)} - {type(None)}
    if kinds == {bool} and not isinstance(value, bool):
        hint = ", without quotes" if str(value).lower() in _TRUTHS else ""
        return f"must be true or false{hint}"
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kinds and kinds <= {int, float} and not is_number:
        return f"must be a number{_as_number(value, is_seconds=SECONDS in leaves)}"
    return None


def _as_number(value: object, *, is_seconds: bool) -> str:
    """How to write it, to go on with: it may be in quotes, or have a unit."""
    of = " of seconds" if is_seconds else ""
    if not isinstance(value, str):
        return of
    if _NUMBER.fullmatch(value):
        return f"{of}, without quotes"
    found = _SPAN.fullmatch(value)
    if is_seconds and found is not None:
        return f"{of}; {value} is {float(found[1]) * _UNITS[found[2].lower()]:.15g}"
    return f"{of}, such as 30"


def _leaves(annotation: Any) -> Iterator[Any]:
    """What an annotation is made of, less the unions and the like that hold it together."""
    inner = get_args(annotation)
    if not inner:
        yield annotation
    for one in inner:
        yield from _leaves(one)
