"""Size: a number of bytes in a config, as people write it."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)


def _size(value: Any) -> Any:
    """`10GiB`, `512M` or a number of bytes; units are powers of 1024."""
    if isinstance(value, bool):
        raise ValueError("is a number of bytes, or one with a unit, such as 10GiB")  # noqa: TRY004 - see pydantic
    if not isinstance(value, str):
        return value
    found = _SIZE.fullmatch(value.strip())
    if found is None:
        raise ValueError("is a number of bytes, or one with a unit, such as 10GiB")
    return int(float(found[1]) * _UNITS[found[2].upper()])


Size = Annotated[
    int,
    BeforeValidator(_size),
    Field(ge=1),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string"}]}),
]
