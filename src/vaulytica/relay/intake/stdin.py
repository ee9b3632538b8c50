"""Standard input as a source: what has come is taken before more is read, and its end is the source's."""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import AsyncIterator

from vaulytica.relay.accept import Accept
from vaulytica.relay.intake.feed import Feed
from vaulytica.relay.intake.line_reader import LineReader
from vaulytica.relay.intake.settings import IntakeLimits, LineSettings
from vaulytica.relay.intake.stream import CHUNK, take


class Stdin:
    """One for the life of the process, whatever a reload says of its lines: nothing can be read twice."""

    settings = "stdin"

    def __init__(self, settings: LineSettings, limits: IntakeLimits, descriptor: int = 0) -> None:
        self._reader = LineReader(settings, limits, "stdin")
        self._descriptor = descriptor

    def __repr__(self) -> str:
        return "stdin"

    @property
    def unreadable(self) -> int:
        """How many lines were no events so far."""
        return self._reader.unreadable

    async def run(self, accept: Accept) -> None:
        """Until it ends."""
        await take(self._chunks(), self._reader, Feed(accept, "stdin"))

    async def _chunks(self) -> AsyncIterator[bytes]:
        chunks = _Chunks(self._descriptor)
        while chunk := await chunks.next():
            yield chunk


class _Chunks:
    """What a thread reads from a descriptor, one chunk ahead of what is wanted.

    A thread, as not every kind can be waited for by a loop; nobody may have to wait for its end, as it
    cannot be woken from a read.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._chunks: queue.SimpleQueue[bytes | OSError] = queue.SimpleQueue()
        self._wanted = threading.Semaphore(1)
        self._come: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        threading.Thread(target=self._read, name="vaulytica-stdin", daemon=True).start()

    def _read(self) -> None:
        chunk: bytes | OSError = b"x"
        while chunk and not isinstance(chunk, OSError):
            self._wanted.acquire()
            try:
                chunk = os.read(self._descriptor, CHUNK)
            except OSError as error:
                chunk = error
            self._chunks.put(chunk)
            if self._come is not None:
                loop, come = self._come
                try:
                    loop.call_soon_threadsafe(come.set)
                except RuntimeError:  # that loop is closed
                    self._come = None

    async def next(self) -> bytes:
        """The next chunk; empty at the end."""
        come = asyncio.Event()
        self._come = asyncio.get_running_loop(), come
        while True:
            try:
                chunk = self._chunks.get_nowait()
            except queue.Empty:
                await come.wait()
                come.clear()
                continue
            if isinstance(chunk, OSError):
                raise chunk
            self._wanted.release()
            return chunk
