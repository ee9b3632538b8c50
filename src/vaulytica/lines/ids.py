"""Ids for what has none of its own: spelled out only where somebody asks for them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import overload

TAILS = [f"{number:03x}" for number in range(4096)]
_EACH = len(TAILS)


class NewIds(Sequence[str]):
    """UUIDv7s in rising order: of 4096 each 62 bits are random, and 12 count (RFC 9562, 6.2, method 2)."""

    __slots__ = ("_heads", "_which")

    def __init__(self, heads: Sequence[str], which: range) -> None:
        self._heads = heads
        self._which = which  # of the 4096 for each head

    def __len__(self) -> int:
        return len(self._which)

    def __iter__(self) -> Iterator[str]:
        for head, tails in self.by_head():
            yield from [head + tail for tail in tails]

    def by_head(self) -> Iterator[tuple[str, list[str]]]:
        """What some have in common, and how each of them goes on."""
        for head, tails in self.heads():
            yield head, TAILS[tails]

    def heads(self) -> Iterator[tuple[str, slice]]:
        """The same; which of all `TAILS` it is."""
        which = self._which
        last = -(-which.stop // _EACH) if which else 0
        for number in range(which.start // _EACH, last):
            first = number * _EACH
            yield self._heads[number], slice(max(0, which.start - first), which.stop - first)

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> NewIds: ...
    def __getitem__(self, at: int | slice) -> str | NewIds:
        if isinstance(at, int):
            number, tail = divmod(self._which[at], _EACH)
            return self._heads[number] + TAILS[tail]
        return NewIds(self._heads, self._which[at])


def joined(ids: Sequence[str]) -> str:
    """One on each line."""
    if not isinstance(ids, NewIds):
        return "\n".join(ids)
    return "\n".join([head + f"\n{head}".join(tails) for head, tails in ids.by_head()])


def new_ids(count: int, now_ms: int) -> NewIds:
    """So many."""
    return NewIds([_head(now_ms) for _ in range(-(-count // _EACH))], range(count))


def _head(now_ms: int) -> str:
    moment, chance = f"{now_ms:012x}", os.urandom(8).hex()
    variant = "89ab"[int(chance[3], 16) & 3]
    return f"{moment[:8]}-{moment[8:]}-7{chance[:3]}-{variant}{chance[4:7]}-{chance[7:]}"
