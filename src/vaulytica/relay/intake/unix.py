"""A Unix socket: HTTP where a request begins, and else lines, an event each.

Who may write to its file needs no token. A stream of lines is answered at its end, by how many events of
it are on disk: a writer that has closed both ways would take an earlier answer for an error. A socket of
texts takes no HTTP: what others wrote into a log could begin like a request.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from vaulytica.relay.door.accept import Accept
from vaulytica.relay.http.app import App
from vaulytica.relay.intake.feed import Feed
from vaulytica.relay.intake.guard import SPARE, Guard
from vaulytica.relay.intake.guard import files as most_files
from vaulytica.relay.intake.line_reader import LineReader
from vaulytica.relay.intake.settings import IntakeSettings, SocketSettings
from vaulytica.relay.intake.socket_file import BACKLOG, Bound
from vaulytica.relay.intake.stream import CHUNK, Stream

log = logging.getLogger("vaulytica.relay.intake")

_GRACE = 5.0  # seconds that requests and streams under way get when it stops
# Of the files that this process may have open, a half may be connections here; and never fewer.
_SHARE, _FEWEST = 2, 16
_LOOK = 1.0  # seconds between two looks at whether its file is still there
_HTTP = re.compile(rb"[A-Z]{3,20} ")  # how a request begins; no line of events or of JSON does
_LONGEST_METHOD = 21


class UnixSocket:
    """Listens on a socket's file, which is made anew if it is gone, and removed in the end."""

    def __init__(self, settings: IntakeSettings, socket: SocketSettings) -> None:
        self._settings = settings.model_copy(update={"tokens": ()})
        self._socket = socket
        self.settings = (socket, settings.limits)
        self.unreadable = 0
        self.late = settings.limits.header_seconds
        files = max(_FEWEST, (most_files() - SPARE) // _SHARE)
        self._most = min(settings.limits.connections, files)
        self.keeps_spaces = socket.as_ == "text"
        self.undecided: set[_Beginning] = set()
        self._streams: dict[asyncio.Task[None], _Connection] = {}

    def __repr__(self) -> str:
        return f"socket {self._socket.path}"

    async def run(self, accept: Accept) -> None:
        """Until it is cancelled; then what has come is taken, and who sent it told how much that is."""
        http = _Http(self._settings, accept)
        feed = Feed(accept, repr(self))
        try:
            while True:
                await self._listen(http, feed)
                log.warning("%r: its file was removed, and is made anew", self)
        finally:
            await self._end(http)

    async def _listen(self, http: _Http, feed: Feed) -> None:
        """Until its file is gone."""
        bound = Bound(Path(self._socket.path), int(self._socket.mode, 8))
        try:
            server = await asyncio.get_running_loop().create_unix_server(
                lambda: _Beginning(self, http, feed), sock=bound.socket, backlog=BACKLOG
            )
            try:
                while bound.is_there:
                    await asyncio.sleep(_LOOK)
            finally:
                bound.remove()
                server.close()
        finally:
            bound.socket.close()

    def has_room(self, http: _Http) -> bool:
        """Whether one more connection leaves enough files for all else that the relay does."""
        return len(self.undecided) + len(self._streams) + http.connections < self._most

    def begin(self, one: _Beginning, first: bytes, *, is_all: bool = False) -> bool:
        """Whether these first bytes were enough to tell what a connection is for, and it is handed over."""
        if self._socket.as_ != "text":
            if _HTTP.match(first):
                one.http.take_over(one.transport, first)
                return True
            if not is_all and first.isalpha() and first.isupper() and len(first) < _LONGEST_METHOD:
                return False  # perhaps a method, up to here
        connection = _Connection(one.transport, first)
        if is_all:
            connection.end()
        task = asyncio.get_running_loop().create_task(self._take(connection, one.feed))
        self._streams[task] = connection
        task.add_done_callback(self._streams.pop)
        return True

    async def _take(self, connection: _Connection, feed: Feed) -> None:
        reader = LineReader(self._socket, self._settings.limits, f"socket {self._socket.path}")
        stream = Stream(reader)
        try:
            while chunk := await connection.next():
                stream.add(chunk)
                await stream.put(feed)
            if not connection.is_cut:  # else its last line may be a part of one
                stream.end()
                await stream.put(feed)
            await connection.answer(
                b'{"accepted":%d,"unreadable":%d}\n' % (stream.count, reader.unreadable)
            )
        except (OSError, TimeoutError):  # its writer is gone, and what it had sent is taken
            pass
        finally:
            self.unreadable += reader.unreadable
            await connection.close()

    async def _end(self, http: _Http) -> None:
        for one in list(self.undecided):
            one.transport.abort()
        for connection in self._streams.values():
            connection.cut()
        tasks = [*http.shut_down(), *self._streams]
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=_GRACE)
        finally:
            late = list(self._streams)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


class _Connection:
    """A stream of lines, of which the first bytes have come already."""

    def __init__(self, transport: asyncio.Transport, first: bytes) -> None:
        loop = asyncio.get_running_loop()
        self._first = first
        self._transport = transport
        self._reader = asyncio.StreamReader(limit=CHUNK, loop=loop)
        self._protocol = _Cuttable(self._reader, loop=loop)
        transport.set_protocol(self._protocol)
        self._protocol.connection_made(transport)
        transport.resume_reading()
        self._writer = asyncio.StreamWriter(transport, self._protocol, self._reader, loop)

    @property
    def is_cut(self) -> bool:
        """Whether more may have come than was read."""
        return self._protocol.is_cut

    async def next(self) -> bytes:
        """What has come; empty at the end."""
        first, self._first = self._first, b""
        return first or await self._reader.read(CHUNK)

    def end(self) -> None:
        """Nothing more comes."""
        self._reader.feed_eof()

    def cut(self) -> None:
        """Read no more than has come by now."""
        self._protocol.is_cut = True
        self._transport.pause_reading()
        self.end()

    async def answer(self, text: bytes) -> None:
        """Unless it is gone."""
        if not self._transport.is_closing():
            self._writer.write(text)
            await asyncio.wait_for(self._writer.drain(), _GRACE)

    async def close(self) -> None:
        """Let go of it, when what was answered is sent; by what its writer went is nobody's concern."""
        self._writer.close()
        with suppress(OSError, TimeoutError):
            await asyncio.wait_for(self._writer.wait_closed(), _GRACE)


class _Cuttable(asyncio.StreamReaderProtocol):
    """Its reader resumes the transport when it has room again, also when the stream is cut."""

    is_cut = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._pause = cast("asyncio.Transport", transport).pause_reading
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol. What comes after the cut is not counted, so that its writer sends it again."""
        if self.is_cut:
            self._pause()
        else:
            super().data_received(data)


class _Beginning(asyncio.Protocol):
    """A connection until its first bytes tell what it is; then it is handed over, paused."""

    transport: asyncio.Transport
    _late: asyncio.TimerHandle | None = None

    def __init__(self, owner: UnixSocket, http: _Http, feed: Feed) -> None:
        self._owner, self.http, self.feed = owner, http, feed
        self._first = b""

    def connection_made(self, transport: Any) -> None:
        """See asyncio.Protocol."""
        self.transport = transport
        if not self._owner.has_room(self.http):
            transport.write(b'{"error":"too many connections"}\n')
            transport.close()
            return
        self._owner.undecided.add(self)
        self._late = asyncio.get_running_loop().call_later(self._owner.late, transport.abort)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        first = self._first + data
        self._first = first if self._owner.keeps_spaces else first.lstrip()
        if self._first and not self.transport.is_closing():
            self.transport.pause_reading()  # nothing may come until somebody listens
            if self._owner.begin(self, self._first):
                self._decided()
            else:
                self.transport.resume_reading()

    def eof_received(self) -> bool:
        """See asyncio.Protocol."""
        if not self._first or self.transport.is_closing():
            return False
        self.transport.pause_reading()
        self._owner.begin(self, self._first, is_all=True)
        self._decided()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._decided()

    def _decided(self) -> None:
        if self._late is not None:
            self._late.cancel()
        self._owner.undecided.discard(self)


class _Http:
    """uvicorn's part of it: connections that were accepted elsewhere."""

    def __init__(self, settings: IntakeSettings, accept: Accept) -> None:
        from uvicorn.config import Config
        from uvicorn.server import ServerState

        from vaulytica.relay.intake import routes

        app = App(routes(settings, accept), accept.answered)
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
        self._guard = Guard(settings.limits, accept)

    @property
    def connections(self) -> int:
        """How many it has."""
        return len(self._guard.connections)

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
