"""JMESPath: expressions on documents, such as an event; compiled once, and never a fault while they are asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

FAULTS = (JMESPathError, TypeError, ValueError, ArithmeticError, RecursionError)
"""What evaluating may raise: jmespath lets through what Python makes of odd values, as in `contains`."""

Pick = Callable[[Any], Any]
"""A compiled expression: a document in, a value out."""


def checked_expression(expression: str) -> str:
    """The expression, if it is JMESPath; else `ValueError`."""
    compiled(expression)
    return expression


def compiled(expression: str) -> Pick:
    """What evaluates a JMESPath expression on a document; None where that fails."""
    try:
        parsed = jmespath.compile(expression)
    except JMESPathError as error:
        what = str(error).splitlines()[0].removesuffix(", for expression:")
        raise ValueError(f"is not a JMESPath expression: {what}") from None

    def pick(document: Any) -> Any:
        try:
            return parsed.search(document)
        except FAULTS:  # such as a function that is given another type than it takes
            return None

    return pick


def is_true(value: Any) -> bool:
    """As in JMESPath: all is true but null, false and what is empty."""
    return bool(value) or (value == 0 and value is not False)
