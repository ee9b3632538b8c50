"""Settings: models whose errors are one line and repeat no value that was given."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from vaulytica.errors import WebhookConfigError, did_you_mean
from vaulytica.secrets import SecretRef

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_NAME = re.compile(r"[\w-]{1,64}")
# What pydantic says of these names Python's classes.
_OF_FILES = dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), "must be a mapping")
_QUOTED = re.compile("'([^']*)'")


SECONDS = "seconds"  # what numbers that are marked so count
Seconds = Annotated[float, Field(allow_inf_nan=False), SECONDS]


class Settings(BaseModel):
    """A model whose errors are one line and repeat no value."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    if not TYPE_CHECKING:  # type checkers see the fields as arguments

        def __init__(self, **settings: Any) -> None:
            try:
                super().__init__(**settings)
            except ValidationError as error:
                raise _one_error(type(self), error) from None


def secret_fields(model: type[BaseModel]) -> tuple[str, ...]:
    """The settings of a model that take a secret: those whose type has a `SecretStr` in it."""
    fields = model.model_fields.items()
    return tuple(name for name, field in fields if _holds_secrets(field.annotation))


def _holds_secrets(annotation: Any) -> bool:
    return annotation is SecretStr or any(map(_holds_secrets, get_args(annotation)))


def references_in(value: Any) -> Iterator[SecretRef]:
    """The secrets by reference that a setting holds, itself or in lists and mappings."""
    if isinstance(value, SecretRef):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from references_in(getattr(value, name))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from references_in(item)
    elif isinstance(value, dict):
        yield from references_in(list(value.values()))


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models that a setting is made of, itself or in a list or mapping."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in models_in(inner)]


def names_of(model: type[BaseModel]) -> list[str]:
    """The names of a model's settings, as a file has them."""
    return [field.alias or name for name, field in model.model_fields.items()]


def _one_error(model: type[BaseModel], error: ValidationError) -> WebhookConfigError:
    """One line for all that is wrong, without the values given."""
    texts: list[str] = []
    problems: list[tuple[tuple[str | int, ...], str]] = []
    for problem in error.errors(include_url=False):
        # Neither do errors carry what they do not show.
        keys = tuple(k if isinstance(k, int) else _shown_key(k) for k in problem["loc"])
        where = ".".join(map(str, keys))
        what = f"{problem['msg'].removeprefix('Value error, ')}{_nearest_word(problem)}"
        if problem["type"] == "extra_forbidden":
            inside = model_at(model, keys[:-1]) or model
            hint = did_you_mean(str(keys[-1]), names_of(inside))
            texts.append(f"{where} is no setting of {inside.__name__}{hint}")
            problems.append((keys, f"there is no such setting{hint}"))
            continue
        texts.append(what if what.startswith(where) else f"{where}: {what}")
        inner = problem.get("ctx", {}).get("error")
        if isinstance(inner, WebhookConfigError) and inner.problems:
            problems += [((*keys, *more), text) for more, text in inner.problems]
        else:
            problems.append((keys, _OF_FILES.get(problem["type"], what)))
    made = WebhookConfigError("; ".join(texts))
    made.problems = tuple(problems)
    return made


def without_quotes(given: float) -> str:
    """A hint for files, where what is not quoted is easily something else than a text."""
    kind = "true or false" if isinstance(given, bool) else "a number"
    return f"; without quotes it is {kind}"


def _nearest_word(problem: ErrorDetails) -> str:
    """A hint, where none of the few words was given that may be, or no text at all."""
    given = problem["input"]
    if problem["type"] == "string_type" and isinstance(given, (bool, int, float)):
        return without_quotes(given)
    if problem["type"] not in ("enum", "literal_error") or not isinstance(given, str):
        return ""
    return did_you_mean(given, _QUOTED.findall(problem["ctx"]["expected"]))


def model_at(model: type[BaseModel], keys: Iterable[str | int]) -> type[BaseModel] | None:
    """The model of the settings that the keys lead to; None if that is a plain setting."""
    for key in keys:
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        if key in fields:
            inner = models_in(fields[str(key)].annotation)
            if not inner:
                return None
            model = inner[0]
    return model


def _shown_key(key: str) -> str:
    """The key; but not one that names nothing: it may be a secret that was put in the wrong place."""
    return key if _NAME.fullmatch(key) else "a key"
