"""Standard input as a source: what has come is taken before more is read, and its end is the source's."""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import select
import threading
from collections.abc import Iterator

from vaulytica.relay.door.accept import Accept
from vaulytica.relay.intake.feed import Feed, until_ended
from vaulytica.relay.intake.line_reader import LineReader
from vaulytica.relay.intake.settings import IntakeLimits, LineSettings
from vaulytica.relay.intake.stream import CHUNK, Stream

log = logging.getLogger("vaulytica.relay.intake")

_GRACE = 5.0  # seconds to take what was read, when it is stopped


class Stdin:
    """One for the life of the process, whatever a reload says of its lines: nothing can be read twice.

    Run again, after it was stopped or has failed, it goes on where it was.
    """

    settings = "stdin"

    def __init__(self, settings: LineSettings, limits: IntakeLimits, descriptor: int = 0) -> None:
        self._reader = LineReader(settings, limits, "stdin")
        self._stream = Stream(self._reader)
        self._descriptor = descriptor
        self._chunks: _Chunks | None = None
        self._has_ended = False

    def __repr__(self) -> str:
        return "stdin"

    @property
    def unreadable(self) -> int:
        """How many lines were no events so far."""
        return self._reader.unreadable

    async def run(self, accept: Accept) -> None:
        """Until it ends; cancelled, it reads no more, and takes what it has read, if that can be taken soon."""
        while not self._has_ended:
            if self._chunks is None:
                self._chunks = _Chunks(self._descriptor)
            await self._run(self._chunks, accept)

    async def _run(self, chunks: _Chunks, accept: Accept) -> None:
        taking = asyncio.ensure_future(self._take(chunks, accept))
        try:
            await asyncio.shield(taking)
        except asyncio.CancelledError:
            chunks.stop()
            await asyncio.wait((taking,), timeout=_GRACE)
            raise
        finally:
            taking.cancel()
            await until_ended(taking)
            for chunk in chunks.left():
                self._stream.add(chunk)
            if chunks.is_over:
                self._chunks = None
            if held := self._stream.held:
                log.warning("stdin: %d events were read, and are not kept", held)

    async def _take(self, chunks: _Chunks, accept: Accept) -> None:
        feed = Feed(accept, "stdin")
        await self._stream.put(feed)
        while chunk := await chunks.next():
            self._stream.add(chunk)
            await self._stream.put(feed)
        self._stream.end()
        await self._stream.put(feed)
        self._has_ended = not chunks.is_stopped


class _Chunks:
    """What a thread reads from a descriptor, one chunk ahead of what is wanted.

    A thread, as not every kind can be waited for by a loop. It does not read before there is something,
    so that it can be stopped, and nothing is read that nobody takes.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._chunks: queue.SimpleQueue[bytes | OSError] = queue.SimpleQueue()
        self._wanted = threading.Semaphore(1)
        self._come: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self._stopping, self._stop = os.pipe()
        self.is_stopped = self.is_over = False
        threading.Thread(target=self._run, name="vaulytica-stdin", daemon=True).start()

    def stop(self) -> None:
        """Read no more; what was read is still to come, and then the end."""
        if not self.is_stopped:
            self.is_stopped = True
            if not self.is_over:
                os.write(self._stop, b"x")
            self._wanted.release()

    def _run(self) -> None:
        chunk: bytes | OSError = b"x"
        while chunk and not isinstance(chunk, OSError):
            self._wanted.acquire()
            try:
                chunk = self._read()
            except OSError as error:
                chunk = error
            self._chunks.put(chunk)
            if self._come is not None:
                loop, come = self._come
                try:
                    loop.call_soon_threadsafe(come.set)
                except RuntimeError:  # that loop is closed
                    self._come = None

    def _read(self) -> bytes:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        poll.register(self._stopping, select.POLLIN)
        while not self.is_stopped:
            poll.poll()
            if not self.is_stopped:
                try:
                    return os.read(self._descriptor, CHUNK)
                except BlockingIOError:  # others share it, and have made it so, or were faster
                    continue
        return b""

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
            if not chunk or isinstance(chunk, OSError):
                self._finish()
            if isinstance(chunk, OSError):
                raise chunk
            self._wanted.release()
            return chunk

    def left(self) -> Iterator[bytes]:
        """What was read, and is not taken, when it was stopped."""
        while self.is_stopped and not self._chunks.empty():
            chunk = self._chunks.get_nowait()
            if chunk and not isinstance(chunk, OSError):
                yield chunk
            else:
                self._finish()

    def _finish(self) -> None:
        """The thread has ended."""
        if not self.is_over:
            self.is_over = True
            os.close(self._stopping)
            os.close(self._stop)
