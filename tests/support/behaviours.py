"""Scripts for `Faulty`: the ways in which a server can misbehave."""

from __future__ import annotations

import contextlib
import fcntl
import socket
import ssl
import termios
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from support.faulty import OK, Line, Script


def says(*pieces: bytes, every: float = 0.0) -> Script:
    """Read one request, send these bytes (one piece `every` seconds), and close."""

    def script(line: Line) -> None:
        line.request()
        line.drip(pieces, every)
        line.end()

    return script


def says_for_ever(first: bytes, then: bytes, every: float = 0.0) -> Script:
    """Read one request, send `first`, and then `then` again and again, `every` seconds."""

    def script(line: Line) -> None:
        line.request()
        line.send(first)
        line.drip(iter(lambda: then, None), every)

    return script


def silent(line: Line) -> None:
    """Read the request, and never answer."""
    line.request()
    line.until_gone()


def resets(line: Line) -> None:
    """Read the request, and reset the connection."""
    line.request()
    line.reset()


def resets_at_once(line: Line) -> None:
    """Reset the connection before a word is said."""
    line.reset()


def answers_early(answer: bytes) -> Script:
    """Answer on the head alone; the body is read only afterwards, and thrown away."""

    def script(line: Line) -> None:
        line.head()
        line.send(answer)
        line.end()

    return script


def closes_after(requests: int, answer: bytes = OK) -> Script:
    """Answer so many requests on a connection as if it were kept, then close it without a word."""

    def script(line: Line) -> None:
        for _ in range(requests):
            if line.request() is None:
                return
            line.send(answer)

    return script


def hangs_up(together: threading.Barrier, over: threading.Semaphore, then: bytes = b"") -> Script:
    """Answer so many requests `together`, as if connections were kept; then say `then`, or end, if that is empty.

    `over` is released when that has come to the client.
    """

    def script(line: Line) -> None:
        line.request()
        together.wait(60)
        line.send(OK)
        _until_arrived(line.sock)
        if then:
            line.send(then)
        else:
            line.sock.shutdown(socket.SHUT_WR)
        _until_arrived(line.sock)
        over.release()
        line.until_gone()

    return script


def ends_by_tls(taken: threading.Semaphore, over: threading.Semaphore) -> Script:
    """Answer; once that is `taken`, say by TLS that no more comes, and leave the TCP connection open.

    `over` is released when that has come to the client.
    """

    def script(line: Line) -> None:
        line.request()
        line.send(OK)
        taken.acquire(timeout=60)
        assert isinstance(line.sock, ssl.SSLSocket)
        line.sock.setblocking(False)
        with contextlib.suppress(
            ssl.SSLWantReadError
        ):  # it would wait for the same from the client
            line.sock.unwrap()
        _until_arrived(line.sock)
        over.release()
        line.server.closed.wait(60)

    return script


def _until_arrived(sock: socket.socket) -> None:
    """Until the other end has acknowledged all that was sent, an end included (Linux)."""
    until = time.monotonic() + 60
    while any(fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4))) and time.monotonic() < until:
        time.sleep(0.001)


def swallows(after: int) -> Script:
    """Answer `after` requests on a connection; read one more whole, and close without an answer."""

    def script(line: Line) -> None:
        closes_after(after)(line)
        line.request()

    return script


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """A port where every connection is refused: it is taken, and nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@dataclass
class Crowd:
    """A script that holds every request until `width` are in flight; `most` is how many there were."""

    width: int
    patience: float = 60.0
    most: int = 0
    _now: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def __call__(self, line: Line) -> None:
        while line.request() is not None:
            with self._changed:
                self._now += 1
                self.most = max(self.most, self._now)
                self._changed.notify_all()
                self._changed.wait_for(lambda: self.most >= self.width, self.patience)
            time.sleep(0.03)  # room for one too many to show
            with self._changed:
                self._now -= 1
            line.send(OK)
