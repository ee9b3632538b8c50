"""The thorough way to read a line: any JSON value, or in words why it is none."""

from __future__ import annotations

import json
import sys
from typing import Any

from vaulytica.errors import WebhookEventError
from vaulytica.jsonvalues import what_is_wrong


def read(text: bytes) -> Any:
    """The JSON value of one line, by the strictest reader; or a `WebhookEventError` saying why not."""
    try:
        return json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        return WebhookEventError(why_not_json(error))


def why_not_json(error: Exception) -> str:
    """What is wrong, without the text it is wrong in."""
    if isinstance(error, json.JSONDecodeError):
        return f"not valid JSON: {what_is_wrong(error)} at column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8: {error.reason} at byte {error.start + 1}"
    if isinstance(error, RecursionError):
        return "nested too deep"
    if is_too_many_digits(error):
        return too_many_digits()
    return str(error)


def is_too_many_digits(error: Exception) -> bool:
    """Whether a parser met an integer that Python refuses to read, as that would take too long."""
    return "set_int_max_str_digits" in str(error)


def too_many_digits() -> str:
    """The same in words of our own."""
    return f"an integer has more than {sys.get_int_max_str_digits()} digits"
