"""A Unix socket: HTTP where the first byte begins a request, and lines of events where it begins one of these.

Who may write to its file needs no token. A stream of lines is answered at its end, by how many events of
it are on disk: a writer that has closed both ways would take an earlier answer for an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

from vaulytica.relay.accept import Accept
from vaulytica.relay.http import App
from vaulytica.relay.intake.feed import Feed
from vaulytica.relay.intake.line_reader import LineReader
from vaulytica.relay.intake.settings import IntakeSettings, SocketSettings
from vaulytica.relay.intake.socket_file import bound
from vaulytica.relay.intake.stream import CHUNK, take

_GRACE = 5.0  # seconds that requests under way get when it stops


class UnixSocket:
    """Listens on a socket's file, which is removed in the end."""

    def __init__(self, settings: IntakeSettings, socket: SocketSettings) -> None:
        self._settings = settings.model_copy(update={"tokens": ()})
        self._socket = socket
        self.settings = (socket, settings.limits)
        self.unreadable = 0
        self._streams: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"socket {self._socket.path}"

    async def run(self, accept: Accept) -> None:
        """Until it is cancelled."""
        loop = asyncio.get_running_loop()
        http = _Http(self._settings, accept)
        path = Path(self._socket.path)
        listening = bound(path, int(self._socket.mode, 8))

        def begin(transport: asyncio.Transport, first: bytes) -> None:
            if first[:1] in (b"{", b"["):
                task = loop.create_task(self._stream(first, transport, accept))
                self._streams.add(task)
                task.add_done_callback(self._streams.discard)
            else:
                http.take_over(transport, first)

        seconds = self._settings.limits.header_seconds
        try:
            server = await loop.create_unix_server(
                lambda: _Beginning(begin, seconds), sock=listening
            )
            try:
                await loop.create_future()
            finally:
                server.close()
                await self._end(http)
        finally:
            path.unlink(missing_ok=True)

    async def _stream(self, first: bytes, transport: asyncio.Transport, accept: Accept) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=CHUNK, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        transport.resume_reading()
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        lines = LineReader(self._socket, self._settings.limits, f"socket {self._socket.path}")
        try:
            count = await take(_chunks(first, reader), lines, Feed(accept, repr(self)))
            if not transport.is_closing():
                writer.write(b'{"accepted":%d,"unreadable":%d}\n' % (count, lines.unreadable))
                await asyncio.wait_for(writer.drain(), _GRACE)
        except (OSError, TimeoutError):  # its writer is gone, and what it had sent is taken
            pass
        finally:
            self.unreadable += lines.unreadable
            writer.close()

    async def _end(self, http: _Http) -> None:
        for task in list(self._streams):
            task.cancel()
        if tasks := [*http.shut_down(), *self._streams]:
            await asyncio.wait(tasks, timeout=_GRACE)


class _Beginning(asyncio.Protocol):
    """A connection until its first byte that is no space tells what it is; then it is handed over, paused."""

    def __init__(self, begin: Callable[[asyncio.Transport, bytes], None], seconds: float) -> None:
        self._begin, self._seconds = begin, seconds

    def connection_made(self, transport: Any) -> None:
        """See asyncio.Protocol."""
        self._transport = transport
        self._late = asyncio.get_running_loop().call_later(self._seconds, transport.abort)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if first := data.lstrip():
            self._late.cancel()
            self._transport.pause_reading()  # nothing may come until somebody listens
            self._begin(self._transport, first)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._late.cancel()


class _Http:
    """uvicorn's part of it: connections that were accepted elsewhere."""

    def __init__(self, settings: IntakeSettings, accept: Accept) -> None:
        from uvicorn.config import Config
        from uvicorn.server import ServerState

        from vaulytica.relay.intake import routes
        from vaulytica.relay.intake.guard import Guard

        app = App(routes(settings, accept))
        self._config = Config(
            app,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
        )
        self._config.load()
        self._state = ServerState()
        self._guard = Guard(settings.limits)

    def take_over(self, transport: Any, first: bytes) -> None:
        """A connection, and what has come on it."""
        protocol = self._guard.protocol(config=self._config, server_state=self._state, app_state={})
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        transport.resume_reading()
        protocol.data_received(first)

    def shut_down(self) -> Iterable[asyncio.Task[None]]:
        """Take no more requests; those that are under way."""
        for connection in list(self._state.connections):
            connection.shutdown()
        return list(self._state.tasks)


async def _chunks(first: bytes, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    yield first
    while chunk := await reader.read(CHUNK):
        yield chunk
