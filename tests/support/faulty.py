"""Servers on loopback, made of raw sockets, that do exactly what a script says: mostly, misbehave.

`Faulty(script)` accepts connections, each in a thread of its own, and runs the script on each:
a script reads requests, answers, drips, cuts. Whatever arrived is kept in `arrived`. `replies` is
the well-behaved script, with one reply after the other; for the others see `behaviours`.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Self


@dataclass
class Arrived:
    """One request as it came off the wire: on which connection, from which client port, and when."""

    line: str
    headers: list[tuple[str, str]]
    connection: int
    client_port: int
    body: bytes = b""
    at: float = field(default_factory=time.monotonic)

    @property
    def target(self) -> str:
        return self.line.split(" ")[1]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)


class Line:
    """One accepted connection, as a script sees it."""

    def __init__(self, server: Faulty, sock: socket.socket, number: int, client_port: int) -> None:
        self.server, self.sock, self.number, self.client_port = server, sock, number, client_port
        self._rest = b""

    def head(self) -> Arrived | None:
        """The next request's line and headers, its body unread; None when the client is gone."""
        while b"\r\n\r\n" not in self._rest:
            piece = self.sock.recv(65536)
            if not piece:
                return None
            self._rest += piece
        head, self._rest = self._rest.split(b"\r\n\r\n", 1)
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = [(name, value.strip()) for name, _, value in pairs]
        arrived = Arrived(first, headers, self.number, self.client_port)
        self.server.arrived.append(arrived)
        return arrived

    def body(self, arrived: Arrived) -> bytes:
        """The body that goes with a head; cut short when the client is gone."""
        length = int(arrived.header("content-length") or 0)
        pieces, missing = [self._rest], length - len(self._rest)
        while missing > 0:
            pieces.append(self.sock.recv(min(missing, 1 << 20)))
            if not pieces[-1]:
                break
            missing -= len(pieces[-1])
        whole = b"".join(pieces)
        self._rest = whole[length:]
        return whole[:length]

    def request(self) -> Arrived | None:
        """The next whole request; None when the client is gone."""
        arrived = self.head()
        if arrived is not None:
            arrived.body = self.body(arrived)
        return arrived

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def drip(self, pieces: Iterable[bytes], every: float) -> None:
        """Send piece after piece, `every` seconds, until the client or the server is gone."""
        for piece in pieces:
            self.send(piece)
            if self.server.closed.wait(every):
                return

    def until_gone(self) -> None:
        """Say nothing more until the client goes away."""
        while self.sock.recv(65536):
            pass

    def end(self) -> None:
        """Say that no more will come, and read on until the client goes away."""
        self.sock.shutdown(socket.SHUT_WR)
        self.until_gone()

    def reset(self) -> None:
        """Close with a TCP reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


Script = Callable[[Line], None]


class Faulty:
    """The server. A context manager; `tls` is a server-side context for https."""

    def __init__(
        self,
        script: Script,
        *,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.arrived: list[Arrived] = []
        self.connections = 0
        self.closed = threading.Event()
        self.failures: list[Exception] = []
        self._script, self._tls = script, tls
        self._lines: list[socket.socket] = []
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self.origin = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        self.url = f"{self.origin}/hook"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def bodies(self) -> list[bytes]:
        return [arrived.body for arrived in self.arrived]

    def count(self, expected: int, patience: float = 60.0) -> int:
        """How many requests have arrived; given up on by the client, they may arrive a little later."""
        until = time.monotonic() + patience
        while len(self.arrived) < expected and time.monotonic() < until:
            time.sleep(0.005)
        return len(self.arrived)

    def close(self) -> None:
        self.closed.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        # Closed before its thread has left it, its number could be the next server's, and this
        # server's thread would answer there.
        self._thread.join(60)
        self._listener.close()
        for sock in self._lines:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        while not self.closed.is_set():
            try:
                sock, address = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._lines.append(sock)
            arguments = (sock, self.connections, address[1])
            threading.Thread(target=self._serve, args=arguments, daemon=True).start()

    def _serve(self, sock: socket.socket, number: int, client_port: int) -> None:
        # OSError (which an ssl error is too) means that the client went away, as it often should.
        with contextlib.suppress(OSError), sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            with sock:
                if isinstance(sock, ssl.SSLSocket) and not _shakes_hands(sock):
                    return
                try:
                    self._script(Line(self, sock, number, client_port))
                except OSError:
                    raise
                except Exception as error:
                    self.failures.append(error)


def _shakes_hands(sock: ssl.SSLSocket) -> bool:
    try:
        sock.do_handshake()
    except ssl.SSLError:
        # Closed at once, a reset would overtake the alert that tells the client why.
        with socket.socket(fileno=sock.detach()) as plain:
            plain.shutdown(socket.SHUT_WR)
            while plain.recv(65536):
                pass
        return False
    return True


def http(
    status: int, body: bytes = b"", headers: Iterable[tuple[str, str]] = (), words: str = "Words"
) -> bytes:
    """An answer's bytes, with its Content-Length."""
    lines = [f"{name}: {value}\r\n" for name, value in headers]
    if status >= 200 and status != 204:
        lines.append(f"Content-Length: {len(body)}\r\n")
    return f"HTTP/1.1 {status} {words}\r\n{''.join(lines)}\r\n".encode("latin-1") + body


OK = http(200, b"ok")
Reply = bytes | Callable[[Arrived], bytes]


def replies(*answers: Reply) -> Script:
    """Answer the n-th request, on whichever connection, with the n-th answer; the last one for ever."""
    lock, left = threading.Lock(), list(answers)

    def script(line: Line) -> None:
        while (arrived := line.request()) is not None:
            with lock:
                answer = left.pop(0) if len(left) > 1 else left[0]
            line.send(answer if isinstance(answer, bytes) else answer(arrived))

    return script
