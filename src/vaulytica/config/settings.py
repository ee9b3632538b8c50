"""Settings: models whose errors are one line and repeat no value that was given."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from vaulytica.errors import WebhookConfigError
from vaulytica.secrets import SecretRef

_NAME = re.compile(r"[\w-]{1,64}")


Seconds = Annotated[float, Field(allow_inf_nan=False)]


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


def _one_error(model: type[BaseModel], error: ValidationError) -> WebhookConfigError:
    """One line for all that is wrong, without the values given."""
    texts: list[str] = []
    problems: list[tuple[tuple[str | int, ...], str]] = []
    for problem in error.errors(include_input=False, include_url=False):
        # Neither do errors carry what they do not show.
        keys = tuple(k if isinstance(k, int) else _shown_key(k) for k in problem["loc"])
        where = ".".join(map(str, keys))
        what = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            what = f"{where} is no setting of {model.__name__}{_nearest(where, model)}"
        elif not what.startswith(where):
            what = f"{where}: {what}"
        texts.append(what)
        inner = problem.get("ctx", {}).get("error")
        if isinstance(inner, WebhookConfigError) and inner.problems:
            problems += [((*keys, *more), text) for more, text in inner.problems]
        else:
            problems.append((keys, what))
    made = WebhookConfigError("; ".join(texts))
    made.problems = tuple(problems)
    return made


def _shown_key(key: str) -> str:
    """The key; but not one that names nothing: it may be a secret that was put in the wrong place."""
    return key if _NAME.fullmatch(key) else "a key"


def _nearest(name: str, model: type[BaseModel]) -> str:
    import difflib

    near = difflib.get_close_matches(name, model.model_fields, n=1)
    return f"; did you mean {near[0]}?" if near else ""
