"""Content-Length, read in one way wherever it is read: two readings of one length are two requests."""

from __future__ import annotations

import re
from collections.abc import Iterable

_DIGITS = re.compile(r"[0-9]{1,18}")


def content_length(given: Iterable[str | bytes]) -> int | None:
    """Bytes that all values of the header agree on, None without one; `ValueError` says what is wrong."""
    values = {_text(value).strip(" \t") for value in given}
    if len(values) > 1:
        raise ValueError("Content-Length is given twice, and differs")
    for value in values:
        if not _DIGITS.fullmatch(value):  # int() would also take "-1", "1_0" and "٣"
            raise ValueError("Content-Length is not a number of at most 18 digits")
        return int(value)
    return None


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
