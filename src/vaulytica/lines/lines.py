"""Lines: what was read together, in columns where that is enough; and what a format has made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, repeat
from typing import TypeVar, cast, overload

import msgspec

from vaulytica.lines.line import Line

T = TypeVar("T")
_END = b"}\n"


class Entries(list[object]):
    """Several entries that a source hands over at once; they count as that many."""


class AsRead:
    """The texts that lines were read from, where these say all of them, but perhaps their ids."""

    __slots__ = ("_objects", "_texts")

    def __init__(self, texts: list[bytes]) -> None:
        self._texts = texts
        self._objects: list[bytes] | None = None

    def objects(self, which: range) -> list[bytes] | None:
        """Some of them, without the closing brace and the line's end; None if other things stand there."""
        if self._objects is None:
            objects = list(map(bytes.removesuffix, self._texts, repeat(_END)))
            cut = sum(map(len, self._texts)) - sum(map(len, objects))
            self._objects = objects if cut == len(objects) * len(_END) else []
        return self._objects[which.start : which.stop] or None


class Lines(Sequence[Line]):
    """Lines in order. `rows` are the same, but their ids are in `ids`: new ones are made when asked for.

    `as_read`: what they were read from, and which lines of it they are.
    """

    __slots__ = ("as_read", "ids", "rows")

    def __init__(
        self, rows: list[Line], ids: Sequence[str], as_read: tuple[AsRead, range] | None = None
    ) -> None:
        self.rows = rows
        self.ids = ids
        self.as_read = as_read

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Line]:
        for row, id in zip(self.rows, self.ids, strict=True):
            row.id = id
        return iter(self.rows)

    @overload
    def __getitem__(self, at: int) -> Line: ...
    @overload
    def __getitem__(self, at: slice) -> Lines: ...
    def __getitem__(self, at: int | slice) -> Line | Lines:
        if isinstance(at, slice):
            as_read = None
            if self.as_read is not None:
                texts, which = self.as_read
                as_read = texts, which[at]
            return Lines(self.rows[at], self.ids[at], as_read)
        row = self.rows[at]
        row.id = self.ids[at]
        return row


def together(parts: Sequence[Sequence[T]]) -> Sequence[T | Line]:
    """All entries of all parts; `Lines`, if that is what these are."""
    if len(parts) == 1:
        return parts[0]
    if parts and all(isinstance(part, Lines) for part in parts):
        lines = cast("Sequence[Lines]", parts)
        rows = [row for part in lines for row in part.rows]
        return Lines(rows, [id for part in lines for id in part.ids])
    return [entry for part in parts for entry in part]


class Written(msgspec.Struct, frozen=True):
    """Lines as a format writes them: the part of each, with what stands `between` two in a body.

    `sizes` gives the bytes of each part. `odd` are the lines that have none: to be read as events.
    """

    text: bytes
    between: int
    sizes: Callable[[], Sequence[int]]
    odd: Sequence[int] = ()

    def parts(self) -> list[bytes]:
        """Each by itself."""
        sizes = self.sizes()
        starts = accumulate((size + self.between for size in sizes), initial=0)
        return [self.text[at : at + size] for at, size in zip(starts, sizes, strict=False)]


def written(parts: Sequence[bytes | None], between: bytes) -> Written:
    """What was written line by line; None where a line is odd."""
    odd = [number for number, part in enumerate(parts) if part is None] if None in parts else ()
    fit = [part for part in parts if part is not None]
    sizes = list(map(len, fit))  # not asked for later: that would keep all twice
    return Written(between.join(fit), len(between), lambda: sizes, odd)
