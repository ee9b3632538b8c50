"""A stream of lines, from standard input or a socket: whole lines are handed over as they come."""

from __future__ import annotations

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
        self._ready: deque[Sequence[Entry]] = deque()
        self.count = 0

    @property
    def held(self) -> int:
        """How many events are ready and not taken, a line without an end included."""
        return sum(map(len, self._ready)) + bool(self._ahead)

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
        entries = self._reader.read(text, self._at + len(block) - len(text))
        self._at += len(block)
        if entries:
            self._ready.append(entries)

    async def put(self, feed: Feed) -> None:
        """Return when all that is ready is on disk."""
        while self._ready:
            await feed.put(self._ready[0], kept=self._kept)

    def _kept(self) -> None:
        self.count += len(self._ready.popleft())
