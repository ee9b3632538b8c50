"""Recent: lines that were decoded a moment ago, by the bytes that the outbox keeps of them.

Whoever claims these bytes needs not decode them again, nor do the other lanes. Nothing depends on it: the
outbox alone says what is claimed and settled, and what is found here is what `read_body` would make of the
very same bytes, all of which are compared.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from vaulytica.lines import Entries, Lines
from vaulytica.outbox.load import read_body

MOST_BYTES = 8 * 1024 * 1024  # of bodies; the lines of them take about three times as much
_END = 256  # bytes that tell most bodies apart: the id of the last event is in them
_MOMENT = 0.2  # seconds


class _Known:
    """`takers` have not had it yet; `fresh`: nobody has."""

    __slots__ = ("body", "fresh", "lines", "takers")

    def __init__(self, body: bytes, lines: Lines, takers: int) -> None:
        self.body, self.lines, self.takers = body, lines, takers
        self.fresh = True


class Recent:
    """Forgets each body when as many have taken it as want it, and the first ones when there is no room."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._bytes = self._fresh = 0
        self._known: dict[tuple[int, bytes], _Known] = {}
        self._is_taken = True
        self._taken = asyncio.Event()

    def keep(self, body: bytes, lines: Lines, takers: int) -> None:
        """`body` is what `encode` wrote of these."""
        key = _key(body)
        self._forget(key)
        self._known[key] = _Known(body, lines, takers)
        self._bytes += len(body)
        self._fresh += len(body)
        while self._bytes > self._most:
            self._forget(next(iter(self._known)))

    def read(self, body: bytes, now_ms: int) -> Lines | Entries:
        """The entries of what is kept."""
        key = _key(body)
        known = self._known.get(key)
        if known is None or known.body != body:
            return read_body(body, now_ms)
        known.takers -= 1
        self._age(known)
        if known.takers <= 0:
            self._forget(key)
        self._is_taken = True
        self._taken.set()
        return known.lines

    async def turn(self) -> None:
        """Let lanes take what has come: for a moment, and not at all while none of them does."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_MOMENT):
                while self._is_taken and self._fresh > self._most // 2:
                    self._taken.clear()
                    self._is_taken = False
                    await self._taken.wait()

    def _age(self, known: _Known) -> None:
        if known.fresh:
            known.fresh = False
            self._fresh -= len(known.body)

    def _forget(self, key: tuple[int, bytes]) -> None:
        known = self._known.pop(key, None)
        if known is not None:
            self._age(known)
            self._bytes -= len(known.body)


def _key(body: bytes) -> tuple[int, bytes]:
    return len(body), body[-_END:]
