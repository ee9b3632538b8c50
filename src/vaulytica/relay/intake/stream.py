"""A stream of lines, from standard input or a socket: whole lines are handed over as they come."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from vaulytica.relay.door.accept import Entry
from vaulytica.relay.intake.feed import Feed
from vaulytica.relay.intake.line_reader import LineReader

CHUNK = 512 * 1024
_BOM = b"\xef\xbb\xbf"


class Stream:
    """Of what was added, `put` hands over what is whole; what it could not stays, to be handed over later.

    `count`: how many events were taken.
    """

    def __init__(self, reader: LineReader) -> None:
        self._reader = reader
        self._ahead = b""  # a line that has no end yet
        self._at = 0  # where it begins, in bytes
        self._skipping = False  # a line that is too long, up to its end
        # What is not taken: lines from that byte on, which are not read yet; or events.
        self._ready: deque[tuple[bytes, int] | Sequence[Entry]] = deque()
        self.count = 0

    @property
    def held(self) -> int:
        """How many events are ready and not taken, a line without an end included."""
        return sum(map(_events, self._ready)) + bool(self._ahead)

    def add(self, chunk: bytes) -> None:
        """What has come."""
        if self._skipping:
            end = chunk.find(b"\n") + 1
            self._at += end or len(chunk)
            if not end:
                return
            chunk, self._skipping = chunk[end:], False
        ahead = self._ahead + chunk
        end = ahead.rfind(b"\n") + 1
        self._read(ahead[:end])
        self._ahead = ahead = ahead[end:]
        if len(ahead) > self._reader.longest:
            self._ready.append([self._reader.too_long(ahead, self._at)])
            self._at += len(ahead)
            self._ahead, self._skipping = b"", True

    def end(self) -> None:
        """Nothing more comes: the last line needs no end."""
        self._read(self._ahead)
        self._ahead = b""

    def _read(self, block: bytes) -> None:
        text = block.removeprefix(_BOM) if self._at == 0 else block
        if text:
            self._ready.append((text, self._at + len(block) - len(text)))
        self._at += len(block)

    async def put(self, feed: Feed) -> None:
        """Return when all that is ready is on disk."""
        while self._ready:
            first = self._ready[0]
            if isinstance(first, tuple):
                self._read_first(*first)
                await asyncio.sleep(0)
            else:
                await feed.put(first, kept=self._kept)

    def _read_first(self, block: bytes, at: int) -> None:
        """As much of it as takes no long time."""
        entries, used = self._reader.read(block, at)
        self._ready.popleft()
        if used < len(block):
            self._ready.appendleft((block[used:], at + used))
        if entries:
            self._ready.appendleft(entries)

    def _kept(self) -> None:
        self.count += _events(self._ready.popleft())


def _events(one: tuple[bytes, int] | Sequence[Entry]) -> int:
    if isinstance(one, tuple):
        return sum(1 for line in one[0].split(b"\n") if line.strip())
    return len(one)
