"""How every transport with a network tells of its failures: the kind, whether another try may help, in time."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import pytest

from support.behaviours import closed_port, resets, says, says_for_ever, silent
from support.faulty import Faulty, Script, http
from support.transports import Under, failure_of, to
from vaulytica.errors import FailureKind

Serve = Callable[..., Faulty]

FAILURES: dict[str, tuple[Script, FailureKind]] = {
    "resets": (resets, FailureKind.BROKEN),
    "closes": (says(), FailureKind.BROKEN),
    "garbage": (says(b"\0\1\2\r\n\r\n"), FailureKind.BROKEN),
    "HTTP/0.9": (says(b"hello\n"), FailureKind.BROKEN),
    "cut headers": (says(b"HTTP/1.1 200 OK\r\nX-Cut"), FailureKind.BROKEN),
    "cut after an interim answer": (says(http(100) + b"HTTP/1.1 200 OK\r\n"), FailureKind.BROKEN),
    "cut body": (says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"), FailureKind.BROKEN),
    "silent": (silent, FailureKind.TIMEOUT),
    "drips": (says_for_ever(b"HTTP/1.1 200 OK\r\n\r\n", b"x", every=0.05), FailureKind.TIMEOUT),
}


@pytest.mark.parametrize("name", FAILURES)
def test_what_is_no_whole_answer_is_a_failure_that_may_pass(
    name: str, curl: Under, serve: Serve
) -> None:
    script, kind = FAILURES[name]
    server = serve(script)
    began = time.monotonic()
    failure = failure_of(curl, to(server, timeout=0.5 if kind is FailureKind.TIMEOUT else 60))
    assert (failure.kind, failure.retryable) == (kind, True)
    assert time.monotonic() - began < 30
    if kind is not FailureKind.TIMEOUT:  # else the time may be up before anything has arrived
        assert server.count(1) == 1


def test_nobody_listens(curl: Under) -> None:
    with closed_port() as port:
        failure = failure_of(curl, to(f"http://127.0.0.1:{port}/"))
    assert (failure.kind, failure.retryable) == (FailureKind.CONNECT, True)


def test_a_name_without_an_address(curl: Under) -> None:
    failure = failure_of(curl, to(f"http://{'x' * 70}.invalid/"))
    assert (failure.kind, failure.retryable) == (FailureKind.RESOLVE, True)


def test_a_connection_that_is_never_accepted_times_out(curl: Under) -> None:
    """As behind a firewall that drops packets: here, the listener's queue is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        began = time.monotonic()
        failure = failure_of(curl, to(f"http://127.0.0.1:{port}/", timeout=0.4))
        assert 0.4 <= time.monotonic() - began < 30
        for filler in fillers:
            filler.close()
    assert (failure.kind, failure.retryable) == (FailureKind.TIMEOUT, True)


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1/", "file:///etc/passwd", "gopher://x/", "nonsense://x/"]
)
def test_only_http_and_https_are_spoken(url: str, curl: Under) -> None:
    failure = failure_of(curl, to(url))
    assert (failure.kind, failure.retryable) == (FailureKind.REQUEST, False)
