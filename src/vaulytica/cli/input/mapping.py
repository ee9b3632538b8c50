"""`--map FIELD=EXPR`: an event's fields out of any JSON object, by JMESPath."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from vaulytica.errors import WebhookConfigError

FIELDS = ("type", "data", "severity", "timestamp", "id", "source")
_NEEDED = ("type", "data")


class MapError(ValueError):
    """This input cannot be mapped; `str()` names the field and the expression."""


def make_mapping(given: Sequence[str] | None) -> Callable[[Any], Any] | None:
    """A function from an input value to an event's fields; None without any `--map`."""
    if not given:
        return None
    compiled: dict[str, _Field] = {}
    for item in given:
        name, equals, expression = item.partition("=")
        if not equals or name not in FIELDS:
            raise WebhookConfigError(f"--map is FIELD=EXPR, FIELD one of {', '.join(FIELDS)}")
        if name in compiled:
            raise WebhookConfigError(f"--map {name} is given twice")
        compiled[name] = _Field(name, expression)
    if "type" not in compiled:
        raise WebhookConfigError("--map type=EXPR is missing: every event has a type")

    def mapped(value: Any) -> dict[str, Any]:
        found = ((name, field.of(value)) for name, field in compiled.items())
        return {name: value for name, value in found if value is not None}

    return mapped


class _Field:
    """One field's expression, compiled once."""

    def __init__(self, name: str, expression: str) -> None:
        from vaulytica.expressions import strict

        self._needed = name in _NEEDED
        self._text = f"--map {name}={expression}"
        try:
            self._ask = strict(expression)
        except ValueError as error:
            raise WebhookConfigError(f"{self._text}: {error}") from None

    def of(self, value: Any) -> Any:
        """What the expression finds; None for nothing, where an event can do without."""
        try:
            found = self._ask(value)
        except ValueError as error:
            raise MapError(f"{self._text}: {error}") from None
        if found is None and self._needed:
            raise MapError(f"{self._text} found nothing")
        return found
