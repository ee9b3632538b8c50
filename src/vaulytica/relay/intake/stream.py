"""A stream of lines, from standard input or a socket: whole lines are handed over as they come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from vaulytica.relay.accept import Entry
from vaulytica.relay.intake.feed import Feed
from vaulytica.relay.intake.line_reader import LineReader

CHUNK = 512 * 1024


async def take(chunks: AsyncIterator[bytes], reader: LineReader, feed: Feed) -> int:
    """All of it; how many events it was."""
    count = at = 0
    ahead = b""
    skipping = False  # a line that is too long, up to its end

    async def put(entries: Sequence[Entry]) -> None:
        nonlocal count
        if entries:
            await feed.put(entries)
            count += len(entries)

    async for chunk in chunks:
        if skipping:
            end = chunk.find(b"\n") + 1
            at += end or len(chunk)
            if not end:
                continue
            chunk, skipping = chunk[end:], False
        ahead += chunk
        end = ahead.rfind(b"\n") + 1
        block, ahead = ahead[:end], ahead[end:]
        if block:
            await put(reader.read(block, at))
            at += len(block)
        if len(ahead) > reader.longest:
            await put([reader.too_long(ahead, at)])
            at += len(ahead)
            ahead, skipping = b"", True
    await put(reader.read(ahead, at))
    return count
