"""Standard input as a source: what has come is taken before more is read, and its end is the source's."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator

from vaulytica.relay.accept import Accept
from vaulytica.relay.intake.feed import Feed
from vaulytica.relay.intake.line_reader import LineReader
from vaulytica.relay.intake.settings import IntakeLimits, LineSettings
from vaulytica.relay.intake.stream import CHUNK, take


class Stdin:
    """Reads a file descriptor in a thread of its own, as not every kind can be waited for by a loop."""

    def __init__(self, settings: LineSettings, limits: IntakeLimits, descriptor: int = 0) -> None:
        self._reader = LineReader(settings, limits, "stdin")
        self._descriptor = descriptor

    def __repr__(self) -> str:
        return "stdin"

    async def run(self, accept: Accept) -> None:
        """Until it ends."""
        await take(self._chunks(), self._reader, Feed(accept, "stdin"))

    async def _chunks(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        chunks: asyncio.Queue[bytes | OSError] = asyncio.Queue()
        wanted = threading.Semaphore(1)  # one ahead of what is being taken

        def read() -> None:
            chunk: bytes | OSError = b"x"
            while chunk and not isinstance(chunk, OSError):
                wanted.acquire()
                try:
                    chunk = os.read(self._descriptor, CHUNK)
                except OSError as error:
                    chunk = error
                try:
                    loop.call_soon_threadsafe(chunks.put_nowait, chunk)
                except RuntimeError:  # the loop is gone
                    return

        # It cannot be woken from a read, so nobody may have to wait for its end.
        threading.Thread(target=read, name="vaulytica-stdin", daemon=True).start()
        while chunk := await chunks.get():
            if isinstance(chunk, OSError):
                raise chunk
            wanted.release()
            yield chunk
