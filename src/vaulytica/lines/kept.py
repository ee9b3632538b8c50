"""Kept: texts that many lines have in common, made once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

_MOST = 4096  # texts of a kind
_LONGEST = 1024  # bytes, or characters

T = TypeVar("T", str, bytes)


class Kept(dict[Any, T], Generic[T]):
    """Texts by what they are made of, made when first asked for; as many are kept as are worth it."""

    def __init__(self, make: Callable[[Any], T]) -> None:
        super().__init__()
        self._make: Callable[[Any], T] = make

    def __missing__(self, key: Any) -> T:
        text: T = self._make(key)
        if len(text) <= _LONGEST:
            if len(self) >= _MOST:
                self.clear()
            self[key] = text
        return text
