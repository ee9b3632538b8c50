"""Damage done to an outbox's file, and what must be there all the same: found by looking at its bytes."""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path

from support.outbox import NEVER, WHY, everything, parcel
from vaulytica.outbox.delivery import Kept, Mark, Once, Retention, ack, bury, nak
from vaulytica.outbox.sqlite import SqliteOutbox
from vaulytica.outbox.sqlite.checksum import PIECE

PAGE = 16384
TEXT = b'"type":"t"'


class Whole:
    """An outbox before it is damaged: of each event for each destination what became of it, and its line."""

    def __init__(self, path: Path) -> None:
        with SqliteOutbox(path) as outbox:
            kept = list(everything(outbox))
        self.content = path.read_bytes()
        self.lines = {line for one in kept for line in one.body.splitlines(keepends=True)}
        self.fates = {
            (one.destination, line): (one.state, one.attempts)
            for one in kept
            for line in one.body.splitlines(keepends=True)
        }
        self.left = {line for (_, line), (state, _) in self.fates.items() if state != "delivered"}
        self._bodies = {one.body for one in kept}

    @property
    def pages(self) -> range:
        """Their numbers, from 0."""
        return range(len(self.content) // PAGE)

    def of_bodies(self) -> list[int]:
        """The pages that only bodies are in, or rows with bodies."""
        return [page for page in self.pages if TEXT in self._page(page)]

    def _page(self, number: int) -> bytes:
        return self.content[number * PAGE : (number + 1) * PAGE]

    def untouched(self, damaged: Iterable[int]) -> set[bytes]:
        """Lines that stand in one undamaged page, and so does the beginning of their body, where its row is."""
        damaged = set(damaged)
        there: set[bytes] = set()
        for body in self._bodies:
            begins = {at // PAGE for at in _all(self.content, body[:400])}
            if not begins & damaged:
                for line in body.splitlines(keepends=True):
                    where = {at // PAGE for at in _all(self.content, line)}
                    ends = {(at + len(line) - 1) // PAGE for at in _all(self.content, line)}
                    if where and not (where | ends) & damaged:
                        there.add(line)
        return there

    def proven(self, there: set[bytes]) -> set[bytes]:
        """Lines of which also each piece with a checksum is of such lines only."""
        proven: set[bytes] = set()
        for body in self._bodies:
            lines = body.splitlines(keepends=True)
            ends = list(accumulate(map(len, lines)))
            pieces = [
                range((end - len(line)) // PIECE, (end - 1) // PIECE + 1)
                for line, end in zip(lines, ends, strict=True)
            ]
            bad = {
                n
                for line, some in zip(lines, pieces, strict=True)
                if line not in there
                for n in some
            }
            proven |= {
                line for line, some in zip(lines, pieces, strict=True) if not bad & set(some)
            }
        return proven


def _all(content: bytes, text: bytes) -> Iterable[int]:
    at = content.find(text)
    while at >= 0:
        yield at
        at = content.find(text, at + 1)


def fill(path: Path, *, events: int) -> None:
    """Small deliveries and large ones, over two destinations and in every state."""
    with SqliteOutbox(path, retention=Retention(1e6)) as outbox:
        for number in range(60):
            ids = [f"{number}-{n}" for n in range(events if number % 3 == 0 else 3)]
            key = "k" if number % 10 == 7 else None
            outbox.put(parcel(*ids, text="x" * 150), ["one", "two"][: 1 + number % 2], key=key)
        claimed = outbox.claim("one", 10 * events)
        for n, delivery in enumerate(claimed):
            # Deferred for days: however long the tests take, these are not due.
            outbox.settle(
                [(ack, lambda d: nak(d, 1e6, [WHY]), lambda d: bury(d, NEVER))[n % 3](delivery)]
            )
        outbox.settle([bury(delivery, NEVER) for delivery in outbox.claim("two", 30)])
        outbox.claim("one", 20)
        outbox.put_shares((), ("k",), once=Once("K", "digest"), mark=Mark("file", "7"))


def noise(path: Path, pages: Iterable[int], rng: random.Random) -> None:
    """Overwrite pages (from 0)."""
    with path.open("r+b") as file:
        for page in pages:
            file.seek(page * PAGE)
            file.write(rng.randbytes(PAGE) if rng.random() < 0.7 else bytes(PAGE))


def flip(path: Path, places: Iterable[int], rng: random.Random) -> None:
    """Flip one bit of the byte at each place."""
    content = bytearray(path.read_bytes())
    for place in places:
        content[place] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def lines_of(kept: Kept) -> list[bytes]:
    """The events as they are kept."""
    return kept.body.splitlines(keepends=True)
