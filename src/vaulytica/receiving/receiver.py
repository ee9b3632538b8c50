"""Receiver: a local HTTP receiver that keeps what it gets, verifies it, and can misbehave on purpose.

For trying things and for tests: one thread a connection, plain and small, not a production server.
"""

from __future__ import annotations

import logging
import random
import socket
import ssl
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self, cast

from vaulytica.errors import SignatureError
from vaulytica.receiving.http_body import BodyError, read_body
from vaulytica.receiving.verification import Verifier

log = logging.getLogger("vaulytica")

MAX_BODY = 64 * 1024 * 1024
_GRACE = 1.0  # seconds
Header = tuple[str, str]


class Lost(Exception):
    """Raised by `respond`: the connection is dropped, and no answer is given."""


@dataclass(frozen=True, slots=True)
class Received:
    """One request and its answer. `verified`: is the signature right; None where none was asked for.

    `status` is 0 where the answer got lost.
    """

    method: str
    path: str
    headers: tuple[Header, ...]
    body: bytes
    time: float  # seconds since 1970
    verified: bool | None
    status: int
    unverified: str = ""  # why

    def header(self, name: str) -> str | None:
        """The first value of a header, in any case."""
        lower = name.lower()
        return next((value for key, value in self.headers if key.lower() == lower), None)


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer a request with."""

    status: int = 200
    body: bytes = b'{"ok":true}'
    headers: tuple[Header, ...] = (("Content-Type", "application/json"),)


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """What goes wrong on purpose: the `first` requests fail for sure, then each one with probability `rate`."""

    rate: float = 0.0
    status: int = 503
    first: int = 0


# Sees the request with the status it would get; returns another answer, or None for that one, or
# raises `Lost`.
Respond = Callable[[Received], Answer | None]


@dataclass
class Receiver:
    """Listens while it is open: `with Receiver() as receiver: … receiver.url … receiver.received`.

    Port 0 takes a free one. A wrong signature is answered 401; `scheme`: see `Verifier`. `received`
    holds the last `keep` records; `counts` counts all answers by status. `on_request` sees each
    record, one at a time.
    """

    host: str = "127.0.0.1"
    port: int = 0
    hmac_secret: str | Sequence[str] | None = field(default=None, repr=False)
    hmac_header: str = "X-Signature"
    scheme: str | Sequence[str] = "hmac_sha256"
    status: int = 200
    fail: Misbehaviour = Misbehaviour()
    delay: float = 0.0
    seed: int | None = None
    respond: Respond | None = None
    on_request: Callable[[Received], object] | None = None
    keep: int = 10_000
    max_body: int = MAX_BODY
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        secrets = self.hmac_secret
        self._verifier = (
            None
            if secrets is None
            else Verifier(secrets, scheme=self.scheme, hmac_header=self.hmac_header)
        )
        self.received: deque[Received] = deque(maxlen=self.keep)
        self.counts: Counter[int] = Counter()
        self._rng = random.Random(self.seed)  # noqa: S311 - not for secrets
        self._to_fail = self.fail.first
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._server = _Server(self)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="receiver", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens, without a path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    def close(self) -> None:
        """Stop listening, end all connections, and wait for their threads."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.end_connections()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def handle(
        self, method: str, path: str, headers: tuple[Header, ...], body: bytes
    ) -> Answer | None:
        """Decide on the answer, and keep the record; None: say nothing, and drop the connection."""
        if self.delay:
            self._closing.wait(self.delay)
        why = self._unverified(headers, body)
        verified = None if why is None else not why
        with self._lock:
            status = self._status(verified)
            record = Received(method, path, headers, body, time.time(), verified, status, why or "")
        try:
            answer = (self.respond and self.respond(record)) or _answer(status)
        except Lost:
            answer = None
        record = replace(record, status=answer.status if answer else 0)
        with self._lock:
            self.counts[record.status] += 1
            self.received.append(record)
            if self.on_request is not None:
                self.on_request(record)
        return answer

    def _unverified(self, headers: tuple[Header, ...], body: bytes) -> str | None:
        """What is wrong with the signature; empty if nothing is, None where none is asked for."""
        if self._verifier is None:
            return None
        try:
            self._verifier.verify(headers, body)
        except SignatureError as error:
            return str(error)
        return ""

    def _status(self, verified: bool | None) -> int:
        if verified is False:
            return 401
        if self._to_fail > 0:
            self._to_fail -= 1
            return self.fail.status
        return self.fail.status if self._rng.random() < self.fail.rate else self.status


def _answer(status: int) -> Answer:
    if 200 <= status < 300:
        return Answer(status)
    return Answer(status, b'{"ok":false,"error":"%s"}' % _phrase(status).encode("ascii"))


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Status"


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that server_close waits for them
    block_on_close = True
    request_queue_size = 512

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self._connections: set[socket.socket] = set()
        if ":" in receiver.host:
            self.address_family = socket.AF_INET6
        super().__init__((receiver.host, receiver.port), _Handler)
        if receiver.tls is not None:  # the handshake is each connection's own thread's work
            self.socket = receiver.tls.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )

    def server_bind(self) -> None:
        """Bind without looking the host's name up, as the parent does: that may take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, to end it when we close."""
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """The connection is over."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        """Wake every thread that waits for a request; one that is answering gets a second for that."""
        self._shut(socket.SHUT_RD)
        end = time.monotonic() + _GRACE
        while self._connections and time.monotonic() < end:
            time.sleep(0.005)
        self._shut(socket.SHUT_RDWR)

    def _shut(self, how: int) -> None:
        for connection in list(self._connections):
            try:
                # Not the TLS way, which would unwrap under the feet of the thread that reads.
                socket.socket.shutdown(connection, how)
            except OSError:
                continue

    def handle_error(self, *_: object) -> None:
        """A client that went away is no news; the rest goes to the log, not to the terminal."""
        log.debug("receiver: a connection broke: %r", sys.exception())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "vaulytica-receiver"
    sys_version = ""
    disable_nagle_algorithm = True
    timeout = 120  # seconds that a connection may be idle

    def _serve(self) -> None:
        receiver = cast("_Server", self.server).receiver
        try:
            body = read_body(cast("Any", self.rfile), self.headers, receiver.max_body)
        except BodyError as error:
            self.close_connection = True
            self._write(Answer(error.status, b'{"ok":false,"error":"%s"}' % str(error).encode()))
            return
        headers = tuple(self.headers.items())
        answer = receiver.handle(self.command, self.path, headers, body)
        if answer is None:
            self.close_connection = True
        else:
            self._write(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _serve  # noqa: N815

    def _write(self, answer: Answer) -> None:
        lines = [
            f"HTTP/1.1 {answer.status} {_phrase(answer.status)}",
            f"Date: {self.date_time_string()}",
            *(f"{name}: {value}" for name, value in answer.headers),
        ]
        bodiless = answer.status in (204, 304)
        if not bodiless:
            lines.append(f"Content-Length: {len(answer.body)}")
        if self.close_connection:
            lines.append("Connection: close")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        # In one piece: two small writes would wait for each other.
        self.wfile.write(head if bodiless or self.command == "HEAD" else head + answer.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: records are how this server speaks."""
