"""Answers that are well-formed, and what must come of them: redirects, Retry-After, 1xx, cookies."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from email.utils import formatdate

import pytest

from support.behaviours import closes_after, resets, says, silent, swallows
from support.drivers import Sending
from support.faulty import OK, Faulty, Line, http, replies
from vaulytica.integrations.webhook import (
    WebhookAuth,
    WebhookExhaustedError,
    WebhookRejectedError,
    WebhookRetryConfig,
)

Serve = Callable[..., Faulty]
SenderOf = Callable[..., Sending]
KEY = "obviously-fake-key"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 207, 299])
def test_every_2xx_is_delivered_at_the_first_attempt(
    status: int, serve: Serve, sender_of: SenderOf
) -> None:
    server = serve(replies(http(status)))
    assert sender_of(server.url).send_event("file_shared", {}) is True
    assert len(server.arrived) == 1


@pytest.mark.parametrize("status", range(300, 309))
def test_a_redirect_is_not_followed_and_the_error_names_where_it_led(
    status: int, serve: Serve, sender_of: SenderOf
) -> None:
    elsewhere = serve(replies(OK))
    location = f"http://localhost:{elsewhere.port}/stolen?token=theirs"
    server = serve(replies(http(status, b"go there", [("Location", location)])))
    auth = WebhookAuth(auth_type="api_key", api_key=KEY)
    with pytest.raises(WebhookRejectedError) as caught:
        sender_of(server.url, auth=auth).send_event("file_shared", {})
    assert f"HTTP {status}, a redirect to localhost, which is not followed" in str(caught.value)
    assert "theirs" not in str(caught.value)
    assert (caught.value.attempts, caught.value.status) == (1, status)
    assert (len(server.arrived), elsewhere.connections) == (1, 0)


@pytest.mark.parametrize("location", ["/hook2", "?again", "//127.0.0.1:9/x", "http://[bad", ""])
def test_odd_locations_are_not_followed_either(
    location: str, serve: Serve, sender_of: SenderOf
) -> None:
    server = serve(replies(http(307, b"", [("Location", location)])))
    with pytest.raises(WebhookRejectedError, match="HTTP 307, a redirect to"):
        sender_of(server.url).send_event("file_shared", {})
    assert len(server.arrived) == 1


@pytest.mark.parametrize("status", [429, 503, 500, 408])
def test_retry_after_in_seconds_is_a_floor_on_the_wait(
    status: int, serve: Serve, sender_of: SenderOf
) -> None:
    server = serve(replies(http(status, b"", [("Retry-After", "7")]), OK))
    sender = sender_of(server.url)
    assert sender.send_event("file_shared", {})
    assert sender.waits == [7.0]
    first, second = server.arrived
    assert first.body == second.body
    assert first.header("webhook-id") == second.header("webhook-id")


def test_retry_after_as_a_date_is_read_against_the_servers_own_clock(
    serve: Serve, sender_of: SenderOf
) -> None:
    wrong_clock = 1_000_000_000
    headers = [
        ("Date", formatdate(wrong_clock, usegmt=True)),
        ("Retry-After", formatdate(wrong_clock + 9, usegmt=True)),
    ]
    server = serve(replies(http(503, b"", headers), OK))
    sender = sender_of(server.url)
    assert sender.send_event("file_shared", {})
    assert sender.waits == [9.0]


def test_retry_after_is_capped(serve: Serve, sender_of: SenderOf) -> None:
    server = serve(replies(http(429, b"", [("Retry-After", "1000000000")]), OK))
    retry = WebhookRetryConfig(max_retries=1, initial_delay=0, retry_after_cap=30)
    sender = sender_of(server.url, retry_config=retry)
    assert sender.send_event("file_shared", {})
    assert sender.waits == [30.0]


@pytest.mark.parametrize("nonsense", ["-5", "soon", "", "1.", "Mon, 99 Foo", "NaN", "\xb2"])
def test_a_retry_after_that_says_nothing_is_no_wait(
    nonsense: str, serve: Serve, sender_of: SenderOf
) -> None:
    server = serve(replies(http(429, b"", [("Retry-After", nonsense)]), OK))
    sender = sender_of(server.url)
    assert sender.send_event("file_shared", {})
    assert sender.waits == [0.0]


def test_the_wait_is_really_waited(serve: Serve, sender_of: SenderOf) -> None:
    server = serve(replies(http(503), OK))
    retry = WebhookRetryConfig(max_retries=1, initial_delay=0.2, jitter=False)
    sender = sender_of(server.url, {"patient": True}, retry_config=retry)
    assert sender.send_event("file_shared", {})
    first, second = server.arrived
    assert 0.2 <= second.at - first.at < 1.5


def test_the_deadline_refuses_a_retry_that_would_outlive_it(
    serve: Serve, sender_of: SenderOf
) -> None:
    server = serve(replies(http(503, b"", [("Retry-After", "60")])))
    retry = WebhookRetryConfig(max_retries=9, initial_delay=0, deadline=30)
    with pytest.raises(WebhookExhaustedError, match="would outlive the deadline of 30 s"):
        sender_of(server.url, retry_config=retry).send_event("file_shared", {})
    assert len(server.arrived) == 1


def test_interim_answers_are_not_the_answer(serve: Serve, sender_of: SenderOf) -> None:
    """Neither their status nor their headers count: a Location or Retry-After in them means nothing."""
    interim = [
        http(100, words="Continue: colons, too"),
        http(103, headers=[("Retry-After", "99"), ("Location", "http://localhost/")]),
        http(102),
    ]
    server = serve(replies(b"".join(interim) + http(503, words="a:b"), b"".join(interim) + OK))
    sender = sender_of(server.url)
    assert sender.send_event("file_shared", {})
    assert sender.waits == [0.0]


def test_cookies_are_never_sent_back(serve: Serve, sender_of: SenderOf) -> None:
    cookies = [("Set-Cookie", "session=abc; Path=/"), ("Set-Cookie", "tracker=1; Max-Age=9999")]
    server = serve(replies(http(200, b"", cookies), http(503, b"", cookies), OK))
    sender = sender_of(server.url)
    for number in range(3):
        assert sender.send_event("file_shared", {"number": number})
    assert len(server.arrived) == 4
    assert [arrived.header("cookie") for arrived in server.arrived] == [None] * 4


def test_one_connection_serves_many_events(serve: Serve, sender_of: SenderOf) -> None:
    server = serve(replies(OK))
    sender = sender_of(server.url)
    for number in range(5):
        assert sender.send_event("file_shared", {"number": number})
    assert (server.connections, len(server.arrived)) == (1, 5)


def test_a_kept_connection_that_the_server_closes_loses_no_event_and_doubles_none(
    serve: Serve, sender_of: SenderOf
) -> None:
    server = serve(closes_after(1))
    sender = sender_of(server.url)
    for number in range(6):
        assert sender.send_event("file_shared", {}, event_id=f"event-{number}")
    arrived = [request.header("webhook-id") for request in server.arrived]
    assert arrived == [f"event-{number}" for number in range(6)]


def test_a_request_is_not_sent_again_behind_the_policys_back(
    serve: Serve, sender_of: SenderOf
) -> None:
    """The server takes a whole request on a kept connection, and closes: that was the one attempt."""
    server = serve(swallows(after=1))
    sender = sender_of(server.url, retries=0)
    assert sender.send_event("file_shared", {}, event_id="event-1")
    with pytest.raises(WebhookExhaustedError, match="closed before there was an answer") as caught:
        sender.send_event("file_shared", {}, event_id="event-2")
    assert caught.value.attempts == 1
    assert [r.header("webhook-id") for r in server.arrived] == ["event-1", "event-2"]


def test_the_time_out_is_one_deadline_for_connection_headers_and_body_together(
    serve: Serve, sender_of: SenderOf
) -> None:
    """Each part comes before the time-out would run out for it alone."""

    def slow(line: Line) -> None:
        line.request()
        for piece in (b"HTTP/1.1 200 OK\r\n", b"Content-Length: 2\r\n\r\n", b"o", b"k"):
            time.sleep(0.2)
            line.send(piece)

    server = serve(slow)
    began = time.monotonic()
    with pytest.raises(WebhookExhaustedError, match="no whole answer in time"):
        sender_of(server.url, retries=0, timeout=0.5).send_event("file_shared", {})
    assert time.monotonic() - began >= 0.5


def test_every_attempt_carries_the_same_bytes_and_id(serve: Serve, sender_of: SenderOf) -> None:
    """A retry after each way of failing, and then the answer."""
    ways = [resets, silent, says(http(500, headers=[("Connection", "close")])), says(b"garbage")]
    server = serve(lambda line: ways.pop(0)(line) if ways else replies(OK)(line))
    auth = WebhookAuth(auth_type="hmac_sha256", hmac_secret=KEY)
    sender = sender_of(server.url, retries=4, timeout=0.6, auth=auth)
    assert sender.send_event("file_shared", {"name": "na\u00efve \u2028 \udcff.pdf"})
    assert server.count(5) == 5
    for header in ("webhook-id", "idempotency-key", "content-type", "x-signature"):
        values = [arrived.header(header) for arrived in server.arrived]
        assert values == [values[0]] * 5
        assert values[0]
    assert server.bodies == [server.bodies[0]] * 5
    assert json.loads(server.bodies[0])["data"] == {"name": "na\u00efve \u2028 \udcff.pdf"}


@pytest.mark.parametrize(
    ("status", "error", "attempts"),
    [(400, WebhookRejectedError, 1), (503, WebhookExhaustedError, 2)],
)
def test_a_refusal_counts_though_its_body_is_cut_short(
    status: int, error: type[Exception], attempts: int, serve: Serve, sender_of: SenderOf
) -> None:
    head = f"HTTP/1.1 {status} X\r\nContent-Length: 99\r\n\r\n".encode()
    server = serve(says(head + b"the index is"))
    retry = WebhookRetryConfig(max_retries=1, initial_delay=0)
    with pytest.raises(error, match=f"HTTP {status}: the index is"):
        sender_of(server.url, retry_config=retry).send_event("file_shared", {})
    assert len(server.arrived) == attempts
