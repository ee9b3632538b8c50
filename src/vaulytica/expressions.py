"""JMESPath: expressions on documents, such as an event; compiled once; whatever they are asked, they raise at most `ValueError`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

# jmespath lets through what Python makes of odd values, as in `contains`.
_FAULTS = (JMESPathError, TypeError, ValueError, ArithmeticError, RecursionError)

Pick = Callable[[Any], Any]
"""A compiled expression: a document in, a value out."""


def checked_expression(expression: str) -> str:
    """The expression, if it is JMESPath; else `ValueError`."""
    compiled(expression)
    return expression


def compiled(expression: str) -> Pick:
    """What evaluates a JMESPath expression on a document; None where that fails."""
    ask = strict(expression)

    def pick(document: Any) -> Any:
        try:
            return ask(document)
        except ValueError:  # such as of a function that is given another type than it takes
            return None

    return pick


def strict(expression: str) -> Pick:
    """The same, but where it fails it raises `ValueError`, which says why on one line."""
    try:
        parsed = jmespath.compile(expression)
    except JMESPathError as error:
        raise ValueError(f"is not a JMESPath expression: {_said(error)}") from None

    def ask(document: Any) -> Any:
        try:
            return parsed.search(document)
        except _FAULTS as error:
            raise ValueError(_said(error)) from None

    return ask


def _said(error: Exception) -> str:
    """JMESPath draws a picture of where; its first line says what."""
    return str(error).partition("\n")[0].removesuffix(", for expression:").strip(" :")


def is_true(value: Any) -> bool:
    """As in JMESPath: all is true but null, false and what is empty."""
    return bool(value) or (value == 0 and value is not False)
