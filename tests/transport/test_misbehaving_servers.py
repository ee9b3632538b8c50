"""Every way in which a destination can misbehave, against the sync and the async sender.

For each: which error is raised, what it says, how many attempts were made, what arrived at the
server, and in what time. Two retries are allowed, so three attempts show that a failure is retried.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from support.behaviours import (
    answers_early,
    closed_port,
    resets,
    resets_at_once,
    says,
    says_for_ever,
    silent,
)
from support.drivers import Sending
from support.faulty import OK, Faulty, Script, http, replies
from vaulytica.integrations.webhook import (
    WebhookAuthError,
    WebhookError,
    WebhookExhaustedError,
    WebhookRejectedError,
)

SHORT = 0.2  # seconds; the time-out of those cases that need it to run out
BODY_FOREVER = b"HTTP/1.1 500 Oops\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
GZIPPED = b"HTTP/1.1 400 No\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00"


@dataclass(frozen=True)
class Case:
    """One misbehaviour: the error it must lead to, after how many attempts, and words it must have."""

    name: str
    script: Script
    error: type[WebhookError]
    attempts: int
    words: str
    status: int | None = None
    timeout: float = 60.0
    arrivals: int | None = None  # if not one for each attempt


def broken(name: str, script: Script, words: str = "the connection broke", **more: Any) -> Case:
    return Case(name, script, WebhookExhaustedError, 3, words, **more)


def late(name: str, script: Script) -> Case:
    return broken(name, script, "no whole answer in time", timeout=SHORT)


def rejected(
    status: int, words: str = "", error: type[WebhookError] = WebhookRejectedError
) -> Case:
    script = replies(http(status, b"their words"))
    return Case(f"answers {status}", script, error, 1, words or "their words", status)


def deferred(status: int) -> Case:
    script = replies(http(status, b"their words"))
    words = "all 3 attempts failed, the last with: HTTP"
    return Case(f"answers {status}", script, WebhookExhaustedError, 3, words, status)


CASES = [
    broken("resets", resets),
    broken("resets at once", resets_at_once, "connection", arrivals=0),
    broken("closes without an answer", says()),
    broken("closes within the headers", says(b"HTTP/1.1 200 OK\r\nContent-Le")),
    broken("is not HTTP", says(bytes(range(256)) * 8)),
    broken("is HTTP/0.9", says(b"<html>delivered</html>\n")),
    broken("speaks SSH", says(b"SSH-2.0-OpenSSH_9.6\r\n")),
    broken("has no status", says(b"HTTP/1.1 \r\n\r\n")),
    broken("cuts its body", says(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort")),
    broken("cuts a chunk", says(CHUNKED + b"20\r\nshort")),
    broken("cuts the last chunk", says(CHUNKED + b"5\r\nwhole\r\n")),
    broken("has chunks that are none", says(CHUNKED + b"zz\r\nwhole\r\n0\r\n\r\n")),
    broken(
        "has endless headers", says_for_ever(b"HTTP/1.1 200 OK\r\n", b"X-More: header\r\n" * 99)
    ),
    broken("has one endless header", says_for_ever(b"HTTP/1.1 200 OK\r\nX-More: ", b"more" * 999)),
    broken("says 100 for ever", says_for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 99)),
    late("never answers", silent),
    late(
        "drips its headers", says_for_ever(b"HTTP/1.1 200 OK\r\n", b"X-Drip: drop\r\n", every=0.1)
    ),
    late(
        "drips its status line", says(*(b"%c" % c for c in b"HTTP/1.1 200 OK\r\n\r\n"), every=0.1)
    ),
    late("drips its body", says_for_ever(b"HTTP/1.1 200 OK\r\n\r\n", b"drop", every=0.1)),
    late("drips chunks", says_for_ever(CHUNKED, b"1\r\nx\r\n", every=0.1)),
    late(
        "never ends its body",
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", b"", every=9),
    ),
    late("switches protocols", says(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", b"", every=9)),
    Case(
        "never ends a refusal",
        says_for_ever(b"HTTP/1.1 422 No\r\n\r\n", b"no " * 999),
        WebhookRejectedError,
        1,
        "HTTP 422: no no no",
        422,
    ),
    Case(
        "never ends a failure",
        says_for_ever(BODY_FOREVER, b"oops " * 999),
        WebhookExhaustedError,
        3,
        "HTTP 500: oops oops",
        500,
    ),
    Case("compresses", replies(GZIPPED), WebhookRejectedError, 1, "HTTP 400", 400),
    Case(
        "refuses before the body",
        answers_early(http(413, b"too large for us", [("Connection", "close")])),
        WebhookRejectedError,
        1,
        "HTTP 413: too large for us",
        413,
    ),
    Case(
        "answers with several lines",
        replies(http(400, b"line one\r\nline\ttwo\x1b[31m\x00\xe2\x80\xae\xff")),
        WebhookRejectedError,
        1,
        "HTTP 400: line one line two [31m",
        400,
    ),
    *(rejected(status) for status in (400, 404, 409, 410, 413, 415, 422, 501, 505)),
    *(rejected(status, error=WebhookAuthError) for status in (401, 403, 407)),
    *(deferred(status) for status in (408, 425, 429, 500, 502, 503, 504, 599)),
]


def each(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.name.replace(" ", "-"))


@each(CASES)
def test_the_error_is_of_the_right_kind_and_says_why(
    case: Case, serve: Callable[..., Faulty], sender_of: Callable[..., Sending]
) -> None:
    server = serve(case.script)
    sender = sender_of(server.url, timeout=case.timeout)
    began = time.monotonic()
    with pytest.raises(WebhookError) as caught:
        sender.send_event("file_shared", {"file": "a.pdf"}, event_id="event-1")
    took = time.monotonic() - began

    error, text = caught.value, str(caught.value)
    assert type(error) is case.error
    assert (error.attempts, error.status, error.event_id) == (case.attempts, case.status, "event-1")
    assert text.startswith(f"{server.origin}: event ")
    assert case.words in text
    assert text.isprintable(), "more than one line, or control characters"
    assert len(text) < 2300
    if case.timeout == SHORT:
        assert took >= case.timeout * case.attempts
        assert len(server.arrived) <= case.attempts, "on a busy machine the time may run out before"
    else:
        assert took < case.timeout, "no time-out was needed"
        arrivals = case.attempts if case.arrivals is None else case.arrivals
        assert server.count(arrivals) == arrivals
    assert server.connections <= case.attempts
    assert {arrived.header("webhook-id") for arrived in server.arrived} <= {"event-1"}
    assert {arrived.header("idempotency-key") for arrived in server.arrived} <= {"event-1"}
    assert len(set(server.bodies)) <= 1, "an attempt sent other bytes than the one before"


@each([case for case in CASES if case.status is None])
def test_the_next_event_is_delivered_when_the_server_has_recovered(
    case: Case, serve: Callable[..., Faulty], sender_of: Callable[..., Sending]
) -> None:
    """Whatever a connection was left in, the sender is as good as new."""
    misbehave = [True]
    well = replies(OK)
    server = serve(lambda line: (case.script if misbehave[0] else well)(line))
    late_ones = case.timeout == SHORT
    # A busy machine may take longer than the short time: then, and only then, more tries than one are due.
    sender = sender_of(server.url, timeout=0.6 if late_ones else 60.0, retries=1)
    with pytest.raises(WebhookError):
        sender.send_event("first", {})
    misbehave[0] = False
    assert any(sender.test_connection() for _ in range(50 if late_ones else 1))


def test_nobody_listens(sender_of: Callable[..., Sending]) -> None:
    with closed_port() as port:
        sender = sender_of(f"http://127.0.0.1:{port}/hook")
        with pytest.raises(WebhookExhaustedError, match="no connection") as caught:
            sender.send_event("file_shared", {})
    assert (caught.value.attempts, caught.value.status) == (3, None)


def test_a_host_without_an_address(sender_of: Callable[..., Sending]) -> None:
    sender = sender_of(f"http://{'x' * 70}.invalid/hook")
    with pytest.raises(WebhookExhaustedError, match="no address for the host") as caught:
        sender.send_event("file_shared", {})
    assert caught.value.attempts == 3
