"""Bytes taken apart into what a target needs, so that one input can be mutated as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Taking:
    """What is left of an input. Small choices are taken from its front; an empty one gives zeros."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def byte(self) -> int:
        """A number from 0 to 255."""
        first, self._data = self._data[:1], self._data[1:]
        return first[0] if first else 0

    def one_of(self, choices: Sequence[T]) -> T:
        """One of these."""
        return choices[self.byte() % len(choices)]

    def part(self) -> bytes:
        """What comes before the next NUL NUL, or all that is left."""
        part, _, self._data = self._data.partition(b"\0\0")
        return part

    def text(self) -> str:
        """The next part as text, in which bytes that are no UTF-8 become lone surrogates."""
        return self.part().decode("utf-8", "surrogateescape")

    def rest(self) -> bytes:
        """All that is left."""
        rest, self._data = self._data, b""
        return rest
