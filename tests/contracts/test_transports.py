"""What every transport must do: the sync and the async one over libcurl, and the two without a network.

A transport makes one request, exactly as given, and answers with a `Response` or raises
`TransportFailure`; it judges no status, follows nothing, and repeats nothing.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import trustme

from support.behaviours import Crowd, ends_by_tls, hangs_up, silent, swallows
from support.faulty import OK, Faulty, http, replies
from support.tls import server_tls
from support.transports import Under, failure_of, to, under
from vaulytica.delivery.ports import AsyncTransport, Transport
from vaulytica.delivery.request import MAX_ANSWER_BYTES
from vaulytica.errors import FailureKind
from vaulytica.integrations.webhook import Response, TransportFailure
from vaulytica.transport.memory import AsyncMemoryTransport, MemoryTransport

Serve = Callable[..., Faulty]


def test_it_has_the_shape_that_the_ports_name(any_transport: Under) -> None:
    port = Transport if any_transport.runner is None else AsyncTransport
    for name in ("send", "close" if port is Transport else "aclose"):
        ours, theirs = getattr(any_transport.transport, name), getattr(port, name)
        assert asyncio.iscoroutinefunction(ours) == asyncio.iscoroutinefunction(theirs)


def test_it_answers(any_transport: Under, serve: Serve) -> None:
    response = any_transport.send(to(serve(replies(http(200)))))
    assert (response.status, response.body) == (200, b"")


def test_many_at_the_same_time_each_get_an_answer(any_transport: Under, serve: Serve) -> None:
    server = serve(replies(http(200)))
    responses = any_transport.send_all([to(server, b"%d" % n) for n in range(20)])
    assert [response.status for response in responses] == [200] * 20


def test_it_may_be_closed_more_than_once(any_transport: Under) -> None:
    any_transport.close()
    any_transport.close()


@pytest.mark.parametrize("body", [b"", b"{}", bytes(range(256)), b"x" * 1_000_000])
def test_the_body_arrives_byte_by_byte(body: bytes, curl: Under, serve: Serve) -> None:
    server = serve(replies(OK))
    assert curl.send(to(server, body)).status == 200
    (arrived,) = server.arrived
    assert arrived.body == body
    assert arrived.header("content-length") == str(len(body))
    assert arrived.line == "POST /hook HTTP/1.1"


def test_headers_arrive_as_given(curl: Under, serve: Serve) -> None:
    headers = (("X-Empty", ""), ("X-Twice", "a"), ("X-Twice", "b"), ("X-Name", "J\u00f6rg"))
    server = serve(replies(OK))
    curl.send(to(server, headers=headers))
    curl.send(to(server, headers=(("X-Other", "c"),)))
    first, second = server.arrived
    assert (first.all("X-Empty"), first.all("X-Twice")) == ([""], ["a", "b"])
    assert first.all("X-Name") == ["J\u00f6rg".encode().decode("latin-1")]
    assert (second.header("X-Twice"), second.header("X-Other")) == (None, "c")
    for name in ("Expect", "Cookie", "Accept-Encoding", "Authorization", "TE"):
        assert (first.header(name), second.header(name)) == (None, None)


@pytest.mark.parametrize("control", ["\r\n", "\n", "\r", "\0", "\x1f", "\x7f"], ids=repr)
def test_control_characters_in_a_header_are_refused_and_nothing_sent(
    control: str, curl: Under, serve: Serve
) -> None:
    """Whoever made it: a scheme of one's own is not held to our checks before."""
    server = serve(replies(OK))
    for forged in (("X-Key", f"fake{control}X-Forged: 1"), (f"X-Key: a{control}X-Forged", "1")):
        with pytest.raises(TransportFailure, match="a header holds a control character") as caught:
            curl.send(to(server, headers=(("X-Tab", "a\tb"), forged)))
        assert (caught.value.kind, caught.value.retryable) == (FailureKind.REQUEST, False)
        assert "fake" not in str(caught.value)
    assert server.connections == 0
    assert curl.send(to(server, headers=(("X-Tab", "a\tb"),))).status == 200


def test_the_url_is_asked_for_as_it_is(curl: Under, serve: Serve) -> None:
    server = serve(replies(OK))
    for target in ("/", "/a/../b/./c", "/a//b", "/%2e%2E/x?y=%20&z=1+2", "/?", "/;p=1"):
        curl.send(to(f"{server.origin}{target}"))
        # libcurl resolves dot segments, as RFC 3986 tells it to.
        expected = {"/a/../b/./c": "/b/c", "/%2e%2E/x?y=%20&z=1+2": "/x?y=%20&z=1+2"}
        assert server.arrived[-1].target == expected.get(target, target)


@pytest.mark.parametrize("status", [200, 204, 301, 304, 401, 404, 407, 429, 500, 503, 599, 799])
def test_every_status_is_an_answer_and_no_failure(status: int, curl: Under, serve: Serve) -> None:
    headers = [
        ("Location", "/x"),
        ("Retry-After", "5"),
        ("retry-after", "6"),
        ("WWW-Authenticate", "Basic"),
    ]
    server = serve(replies(http(status, b"" if status in (204, 304) else b"words", headers)))
    response = curl.send(to(server))
    assert response.status == status
    assert response.body == (b"" if status in (204, 304) else b"words")
    assert (response.header("location"), response.header("retry-after")) == ("/x", "6")
    assert len(server.arrived) == 1


def test_interim_answers_and_their_headers_are_dropped(curl: Under, serve: Serve) -> None:
    interim = http(103, headers=[("Location", "/early")], words="a: b")
    server = serve(replies(interim * 3 + http(200, b"words", [("X-Late", "yes")], words="c: d")))
    response = curl.send(to(server))
    assert (response.status, response.body) == (200, b"words")
    assert (response.header("location"), response.header("x-late")) == (None, "yes")


def test_a_chunked_answer_is_put_together(curl: Under, serve: Serve) -> None:
    chunked = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n"
    )
    server = serve(replies(chunked + b"X-Trailer: t\r\n\r\n"))
    for _ in range(2):
        assert curl.send(to(server)).body == b"abcde"
    assert server.connections == 1


@pytest.mark.parametrize("more", [-1, 0, 1, 100_000])
def test_of_a_long_answer_the_beginning_is_read(more: int, curl: Under, serve: Serve) -> None:
    body = bytes(n % 251 for n in range(MAX_ANSWER_BYTES + more))
    server = serve(replies(http(200, body), OK))
    assert curl.send(to(server)).body == body[:MAX_ANSWER_BYTES]
    assert curl.send(to(server)).body == b"ok"


def test_a_compressed_answer_stays_compressed(curl: Under, serve: Serve) -> None:
    server = serve(replies(http(200, b"\x1f\x8b\x08\0rest", [("Content-Encoding", "gzip")])))
    assert curl.send(to(server)).body == b"\x1f\x8b\x08\0rest"


def test_each_of_many_gets_its_own_answer(curl: Under, serve: Serve) -> None:
    server = serve(replies(lambda arrived: http(200, arrived.body)))
    bodies = [b"%d" % n for n in range(50)]
    assert [r.body for r in curl.send_all([to(server, body) for body in bodies])] == bodies


def test_requests_run_side_by_side(curl: Under, serve: Serve) -> None:
    crowd = Crowd(12)
    server = serve(crowd)
    curl.send_all([to(server) for _ in range(12)])
    assert crowd.most == 12


def test_what_was_sent_is_not_kept(curl: Under, serve: Serve) -> None:
    """A handle at rest would hold a whole batch."""
    server = serve(replies(OK))
    request = to(server, bytes(1000))
    before = sys.getrefcount(request.body)
    for _ in range(2):
        curl.send(request)
    after = sys.getrefcount(request.body)
    assert after == before


def test_a_connection_is_kept_for_the_next_request(curl: Under, serve: Serve) -> None:
    server = serve(replies(OK))
    for _ in range(5):
        curl.send(to(server))
    assert server.connections == 1


def test_the_time_out_is_each_requests_own(curl: Under, serve: Serve) -> None:
    server = serve(
        replies(OK),
    )
    stalling = serve(silent)
    curl.send(to(server, timeout=60))
    began = time.monotonic()
    failure_of(curl, to(stalling, timeout=0.2))
    assert time.monotonic() - began < 30
    assert curl.send(to(server, timeout=60)).status == 200


def test_a_request_is_made_once_even_if_a_kept_connection_dies_under_it(
    curl: Under, serve: Serve
) -> None:
    server = serve(swallows(after=1))
    assert curl.send(to(server, b"1")).status == 200
    failure = failure_of(curl, to(server, b"2"))
    assert (failure.kind, failure.retryable) == (FailureKind.BROKEN, True)
    assert server.bodies == [b"1", b"2"]


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_a_kept_connection_that_has_ended_is_not_used_again(
    secure: bool, curl: Under, serve: Serve, ca: trustme.CA, trusted: None
) -> None:
    """Nothing was sent by it, so that this is no attempt."""
    width, over = 3, threading.Semaphore(0)
    script = hangs_up(threading.Barrier(width), over)
    server = serve(script, tls=server_tls(ca) if secure else None)
    for _ in range(3):
        requests = [to(server)] * width
        assert [answer.status for answer in curl.send_all(requests)] == [200] * width
        assert all(over.acquire(timeout=60) for _ in requests)
    assert len(server.arrived) == server.connections == 9


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=str)
def test_nor_is_one_that_has_ended_by_tls_alone(
    version: ssl.TLSVersion, curl: Under, serve: Serve, ca: trustme.CA, trusted: None
) -> None:
    taken, over = threading.Semaphore(0), threading.Semaphore(0)
    context = server_tls(ca)
    context.maximum_version = version
    server = serve(ends_by_tls(taken, over), tls=context)
    for _ in range(3):
        assert curl.send(to(server)).status == 200
        taken.release()
        assert over.acquire(timeout=60)
    assert len(server.arrived) == server.connections == 3


def test_what_came_unasked_on_a_kept_connection_answers_nothing(curl: Under, serve: Serve) -> None:
    over = threading.Semaphore(0)
    unasked = http(403, b"for somebody else")
    server = serve(hangs_up(threading.Barrier(1), over, unasked))
    for _ in range(3):
        assert curl.send(to(server)).status == 200
        assert over.acquire(timeout=60)
    assert server.connections == 3


def test_a_closed_transport_refuses(curl: Under, serve: Serve) -> None:
    server = serve(replies(OK))
    curl.send(to(server))
    curl.close()
    failure = failure_of(curl, to(server))
    assert (failure.kind, failure.retryable) == (FailureKind.REQUEST, False)
    assert "closed" in str(failure)
    assert len(server.arrived) == 1


@pytest.mark.parametrize("transport", [MemoryTransport, AsyncMemoryTransport])
def test_canned_answers_come_in_order_and_the_last_one_for_ever(transport: Any) -> None:
    failure = TransportFailure(FailureKind.TIMEOUT, "late")
    canned = transport([Response(500), failure, lambda request: Response(200, (), request.body)])
    first, second = to("http://a/", b"1"), to("http://a/", b"2")
    with under(canned) as made:
        assert made.send(first).status == 500
        assert failure_of(made, first) is failure
        assert [made.send(second).body for _ in range(3)] == [b"2"] * 3
    assert canned.requests == [first, first, second, second, second]
