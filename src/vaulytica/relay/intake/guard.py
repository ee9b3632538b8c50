"""Guard: what uvicorn leaves open. Requests that never end, heads without bound, connections without number.

uvicorn has a time-out only between two requests. A connection that sends nothing, or a byte now and
then, would stay for ever, and a head could grow as large as memory.
"""

from __future__ import annotations

import asyncio
import resource
import sys
from contextlib import suppress
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from vaulytica.relay.door.accept import Accept, Cut
from vaulytica.relay.intake.settings import IntakeLimits

_HEAD = 64 * 1024  # bytes of a request's head
_REST = 64 * 1024 * 1024  # bytes of a body that come after its answer (413), and are thrown away
_RATE = 1024  # bytes of a body that give it a second more
_UNREAD = 30.0  # seconds that an answer may wait to be read
SPARE = 256  # files and connections for all else that the relay does
_LOOK = 1.0  # seconds between two looks at all connections


class Guard:
    """All connections of one server. What they were given as `limits` may be exchanged.

    `accept` hears of what is refused here, and of connections that are cut.
    """

    def __init__(self, limits: IntakeLimits, accept: Accept) -> None:
        self.limits, self.accept = limits, accept
        self._room = files() - SPARE
        self.connections: set[GuardedProtocol] = set()
        self.idle: dict[GuardedProtocol, None] = {}  # the one that is so for longest comes first
        self._looking: asyncio.TimerHandle | None = None

    def protocol(self, *args: Any, **kwargs: Any) -> GuardedProtocol:
        """For uvicorn's `Config(http=…)`, which calls it for each connection."""
        return GuardedProtocol(self, *args, **kwargs)

    def add(self, connection: GuardedProtocol) -> None:
        """Begin to watch over it; where there are too many, one has to go."""
        if len(self.connections) >= min(self.limits.connections, self._room):
            spare = next(iter(self.idle), connection)
            self.remove(spare)
            spare.cut(Cut.CONNECTIONS)
        if connection.transport.is_closing():
            return
        self.connections.add(connection)
        self.idle[connection] = None
        if self._looking is None:
            self._looking = connection.loop.call_later(_LOOK, self._look)

    def remove(self, connection: GuardedProtocol) -> None:
        """It is gone."""
        self.connections.discard(connection)
        self.idle.pop(connection, None)

    def _look(self) -> None:
        self._looking = None
        if self.connections:
            loop = next(iter(self.connections)).loop
            now = loop.time()
            for connection in list(self.connections):
                connection.look(now)
            self._looking = loop.call_later(_LOOK, self._look)


def files() -> int:
    """How many files and connections this process may have open: as many as it can be given."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with a deadline for each part of a request, and bounds on what it holds."""

    def __init__(self, guard: Guard, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.guard = guard
        self.timeout_keep_alive = round(guard.limits.idle_seconds)
        self._deadline: float | None = None
        self._unread_since: float | None = None
        self._head: int | None = 0  # bytes of the head that is coming; None: it is there
        self._late = 0  # bytes of a body that came after the answer

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio.Protocol."""
        super().connection_made(transport)
        self._deadline = self.loop.time() + self.guard.limits.header_seconds
        self.guard.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self.guard.remove(self)
        super().connection_lost(exc)
        self._unset_keepalive_if_required()  # which uvicorn forgets after an error

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._head is not None:
            self._head += len(data)
        super().data_received(data)
        if self._head is not None and self._head > _HEAD and not self.transport.is_closing():
            self._refuse_head()

    def _refuse_head(self) -> None:
        why = f"the head of the request is larger than {_HEAD} bytes"
        self._refuse(431, b"Request Header Fields Too Large", why)

    def send_400_response(self, msg: str) -> None:
        """See uvicorn."""
        self._refuse(400, b"Bad Request", "this is not HTTP")

    def _refuse(self, status: int, phrase: bytes, why: str) -> None:
        self.guard.accept.answered(status, self.client[0] if self.client else None)
        body = b'{"error":"%s"}\n' % why.encode()
        self.transport.write(
            b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
            b"connection: close\r\n\r\n%s" % (status, phrase, len(body), body)
        )
        self.transport.close()

    def on_message_begin(self) -> None:
        """See httptools."""
        super().on_message_begin()
        self._deadline = self.loop.time() + self.guard.limits.header_seconds
        self._late = 0

    def on_headers_complete(self) -> None:
        """See httptools."""
        self._head = None
        self._deadline = self.loop.time() + self.guard.limits.body_seconds
        self.guard.idle.pop(self, None)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        if self.cycle.response_complete:  # else many clients would not read the answer
            self._late += len(body)
            if self._late > _REST:
                self.transport.close()
        elif self._deadline is not None:
            self._deadline += len(body) / _RATE
        super().on_body(body)

    def on_message_complete(self) -> None:
        """See httptools."""
        self._deadline = None
        self._head = 0
        super().on_message_complete()
        if self.cycle.response_complete:
            self.guard.idle[self] = None

    def on_response_complete(self) -> None:
        """See uvicorn."""
        super().on_response_complete()
        if self._deadline is None and not self.pipeline and self in self.guard.connections:
            self.guard.idle[self] = None

    def look(self, now: float) -> None:
        """Close it, if what it has to do has not been done in time."""
        if self._deadline is not None and now > self._deadline:
            self.cut(Cut.BODY if self._head is None else Cut.HEADER)
        elif self.transport.get_write_buffer_size() == 0:
            self._unread_since = None
        elif self._unread_since is None:
            self._unread_since = now
        elif now - self._unread_since > _UNREAD:
            self.cut(Cut.UNREAD)

    def timeout_keep_alive_handler(self) -> None:
        """See uvicorn."""
        if not self.transport.is_closing():
            self.guard.accept.cut(Cut.IDLE)
        super().timeout_keep_alive_handler()

    def cut(self, why: Cut) -> None:
        """Close it at once; one that is being closed was counted by its answer."""
        if not self.transport.is_closing():
            self.guard.accept.cut(why)
        self.transport.abort()
