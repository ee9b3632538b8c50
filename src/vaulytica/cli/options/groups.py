"""Groups of options that commands share: a dataclass, whose fields are options of each command that takes it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_type_hints


def grouped(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of each dataclass that it takes, and hand these over made."""
    own = inspect.signature(command, eval_str=True).parameters.values()
    groups: dict[str, Any] = {p.name: p.annotation for p in own if is_dataclass(p.annotation)}
    shared = [parameter for group in groups.values() for parameter in _parameters(group)]
    kept = [p.replace(kind=p.KEYWORD_ONLY) for p in own if p.name not in groups]

    def with_options(**given: Any) -> Any:
        made = {
            name: group(**{each.name: given.pop(each.name) for each in fields(group)})
            for name, group in groups.items()
        }
        return command(**given, **made)

    with_options.__name__, with_options.__doc__ = command.__name__, command.__doc__
    with_options.__signature__ = inspect.Signature([*kept, *shared])  # type: ignore[attr-defined]
    with_options.__annotations__ = {p.name: p.annotation for p in (*kept, *shared)}
    return with_options


def _parameters(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            given.name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=hints[given.name],
            default=[] if given.default is MISSING else given.default,
        )
        for given in fields(group)
    ]
