"""Kinds: numbers and truth values that a file has as something else, which Python would make the best of.

A file's types are its own to say: what `"30"` or `"no"` is taken for should not depend on the setting, and
an editor that goes by the schema refuses it, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, BeforeValidator

from vaulytica.config.settings import models_in

Keys = tuple[str | int, ...]


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
    hint = ", without quotes" if isinstance(value, str) else ""
    if kinds == {bool} and not isinstance(value, bool):
        return f"must be true or false{hint}"
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kinds and kinds <= {int, float} and not is_number:
        return f"must be a number{hint}"
    return None


def _leaves(annotation: Any) -> Iterator[Any]:
    """What an annotation is made of, less the unions and the like that hold it together."""
    inner = get_args(annotation)
    if not inner:
        yield annotation
    for one in inner:
        yield from _leaves(one)
