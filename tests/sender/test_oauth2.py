"""OAuth2 against a real token endpoint that counts: one token for many callers, and none means no event."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qsl

import pytest

from support.behaviours import closed_port, resets, silent
from support.drivers import Sending, config_for
from support.faulty import OK, Arrived, Faulty, http, replies
from vaulytica.integrations.webhook import (
    AsyncWebhookSender,
    WebhookAuth,
    WebhookAuthError,
    WebhookError,
    WebhookSender,
)

Serve = Callable[..., Faulty]
SenderOf = Callable[..., Sending]
CLIENT_SECRET = "obviously-fake-client-secret"


def token(value: str = "token-1", **more: Any) -> bytes:
    answer = {"access_token": value, "token_type": "Bearer", "expires_in": 3600, **more}
    return http(200, json.dumps({k: v for k, v in answer.items() if v is not None}).encode())


def auth_by(tokens: Faulty | str) -> WebhookAuth:
    return WebhookAuth(
        auth_type="oauth2",
        oauth2_token_url=tokens if isinstance(tokens, str) else tokens.url,
        oauth2_client_id="robot & co",
        oauth2_client_secret=CLIENT_SECRET,
    )


def tokens_seen(server: Faulty) -> list[str | None]:
    return [arrived.header("authorization") for arrived in server.arrived]


def slowly(answer: bytes, seconds: float = 0.1) -> Callable[[Arrived], bytes]:
    def reply(_: Arrived) -> bytes:
        threading.Event().wait(seconds)  # so that all callers are waiting for it
        return answer

    return reply


def test_the_token_is_asked_for_as_the_standard_says_and_sent_as_bearer(
    serve: Serve, sender_of: SenderOf
) -> None:
    tokens, server = serve(replies(token())), serve(replies(OK))
    sender = sender_of(server.url, auth=auth_by(tokens))
    assert sender.send_event("file_shared", {})
    (asked,) = tokens.arrived
    assert asked.line == "POST /hook HTTP/1.1"
    assert asked.header("content-type") == "application/x-www-form-urlencoded"
    assert dict(parse_qsl(asked.body.decode("ascii"))) == {
        "grant_type": "client_credentials",
        "client_id": "robot & co",
        "client_secret": CLIENT_SECRET,
    }
    assert asked.header("webhook-id") is None
    assert tokens_seen(server) == ["Bearer token-1"]


def test_a_token_serves_many_events(serve: Serve, sender_of: SenderOf) -> None:
    tokens, server = serve(replies(token())), serve(replies(OK))
    sender = sender_of(server.url, auth=auth_by(tokens))
    assert sender.send_batch([{"type": "file_shared"}] * 20) == 20
    assert sender.send_event("file_shared", {})
    assert sender.test_connection()
    assert len(tokens.arrived) == 1


def test_sixteen_threads_make_one_token_request(serve: Serve) -> None:
    tokens, server = serve(replies(slowly(token()))), serve(replies(OK))
    ready = threading.Barrier(16)
    with WebhookSender(config_for(server.url, auth=auth_by(tokens))) as sender:

        def send(_: int) -> bool:
            ready.wait()
            return sender.send_event("file_shared", {})

        with ThreadPoolExecutor(16) as threads:
            assert list(threads.map(send, range(16))) == [True] * 16
    assert len(tokens.arrived) == 1
    assert tokens_seen(server) == ["Bearer token-1"] * 16


def test_fifty_tasks_make_one_token_request(serve: Serve) -> None:
    tokens, server = serve(replies(slowly(token()))), serve(replies(OK))

    async def main() -> list[bool]:
        async with AsyncWebhookSender(config_for(server.url, auth=auth_by(tokens))) as sender:
            sends = [sender.send_event("file_shared", {}) for _ in range(50)]
            return await asyncio.gather(*sends)

    assert asyncio.run(main()) == [True] * 50
    assert len(tokens.arrived) == 1
    assert tokens_seen(server) == ["Bearer token-1"] * 50


def test_a_failing_endpoint_is_asked_once_for_many_waiting_callers(
    serve: Serve, sender_of: SenderOf
) -> None:
    """Its answer is the answer to all that were waiting; nothing is sent without a token."""
    tokens = serve(replies(slowly(http(401, b'{"error": "invalid_client"}'), 0.2)))
    server = serve(replies(OK))
    sender = sender_of(server.url, auth=auth_by(tokens), concurrency=16)
    report = sender.send_batch([{"type": "file_shared"}] * 16)
    assert (report, len(report.rejected)) == (0, 16)
    assert {result.reason.kind for result in report.rejected if result.reason} == {"auth"}
    assert (len(tokens.arrived), server.connections) == (1, 0)


BAD_ANSWERS: dict[str, bytes] = {
    "401": http(401, b'{"error": "invalid_client"}'),
    "400": http(400, b'{"error": "invalid_scope", "error_description": "no"}'),
    "HTML": http(200, b"<html>login</html>"),
    "empty": http(200),
    "no body": http(204),
    "a list": http(200, b"[]"),
    "no token": http(200, b'{"expires_in": 3600}'),
    "an empty token": token(""),
    "a number as token": token(17),  # type: ignore[arg-type]
    "another kind of token": token(token_type="mac"),
    "no expires_in": token(expires_in=None),
    "expires_in a string": token(expires_in="soon"),
    "expires_in digits in a string": token(expires_in="3600"),
    "expires_in 0": token(expires_in=0),
    "expires_in negative": token(expires_in=-60),
    "expires_in true": token(expires_in=True),
    "a redirect": http(302, headers=[("Location", "https://elsewhere.example/")]),
    "deep nesting": http(200, b"[" * 60_000),
    "not UTF-8": http(200, b'{"access_token": "\xff\xfe", "expires_in": 9}'),
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_without_a_usable_token_nothing_is_sent(
    name: str, serve: Serve, sender_of: SenderOf
) -> None:
    tokens, server = serve(replies(BAD_ANSWERS[name])), serve(replies(OK))
    with pytest.raises(WebhookAuthError, match="no token: ") as caught:
        sender_of(server.url, auth=auth_by(tokens)).send_event("file_shared", {})
    assert str(caught.value).isprintable()
    assert (len(tokens.arrived), server.connections) == (1, 0)


@pytest.mark.parametrize("life", [3600.5, 10**30, 0.01])
def test_odd_but_readable_lives_are_taken(life: float, serve: Serve, sender_of: SenderOf) -> None:
    tokens, server = serve(replies(token(expires_in=life))), serve(replies(OK))
    assert sender_of(server.url, auth=auth_by(tokens)).send_event("file_shared", {})


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_endpoint_that_is_busy_is_asked_again_later(
    status: int, serve: Serve, sender_of: SenderOf
) -> None:
    busy = http(status, b"", [("Retry-After", "5")])
    tokens, server = serve(replies(busy, token())), serve(replies(OK))
    sender = sender_of(server.url, auth=auth_by(tokens))
    assert sender.send_event("file_shared", {})
    assert sender.waits == [5.0]
    assert (len(tokens.arrived), len(server.arrived)) == (2, 1)


@pytest.mark.parametrize(
    ("script", "timeout"), [(resets, 60.0), (silent, 0.5)], ids=["resets", "never answers"]
)
def test_an_endpoint_that_is_broken_is_an_auth_error_in_the_end(
    script: Any, timeout: float, serve: Serve, sender_of: SenderOf
) -> None:
    tokens, server = serve(script), serve(replies(OK))
    sender = sender_of(server.url, auth=auth_by(tokens), timeout=timeout)
    with pytest.raises(WebhookAuthError, match="token endpoint did not answer") as caught:
        sender.send_event("file_shared", {})
    assert caught.value.attempts == 3
    assert server.connections == 0
    if script is resets:  # else the time may be up before anything has arrived
        assert tokens.count(3) == 3


def test_an_endpoint_that_is_not_there(serve: Serve, sender_of: SenderOf) -> None:
    server = serve(replies(OK))
    with closed_port() as port:
        sender = sender_of(server.url, auth=auth_by(f"http://127.0.0.1:{port}/token"))
        with pytest.raises(WebhookAuthError, match="token endpoint did not answer"):
            sender.send_event("file_shared", {})
    assert server.connections == 0


def test_a_401_drops_the_token_fetches_once_and_sends_once_more(
    serve: Serve, sender_of: SenderOf
) -> None:
    tokens = serve(replies(token("token-1"), token("token-2")))
    server = serve(replies(OK, http(401, b"expired"), OK))
    sender = sender_of(server.url, auth=auth_by(tokens))
    for number in range(3):
        assert sender.send_event("file_shared", {}, event_id=f"event-{number}")
    assert tokens_seen(server) == ["Bearer token-1"] * 2 + ["Bearer token-2"] * 2
    ids = [arrived.header("webhook-id") for arrived in server.arrived]
    assert ids == ["event-0", "event-1", "event-1", "event-2"]
    assert server.bodies[1] == server.bodies[2]
    assert len(tokens.arrived) == 2


def test_a_401_to_the_fresh_token_too_is_the_end(serve: Serve, sender_of: SenderOf) -> None:
    tokens = serve(replies(token("token-1"), token("token-2"), token("token-3")))
    server = serve(replies(http(401, b"unknown client")))
    with pytest.raises(WebhookAuthError, match="HTTP 401: unknown client") as caught:
        sender_of(server.url, auth=auth_by(tokens)).send_event("file_shared", {})
    assert caught.value.status == 401
    assert tokens_seen(server) == ["Bearer token-1", "Bearer token-2"]


def test_many_callers_that_meet_a_401_make_one_refresh(serve: Serve, sender_of: SenderOf) -> None:
    """All eight have sent the old token before the first is told that it is no longer good."""
    tokens = serve(replies(token("old"), slowly(token("new"))))
    all_in = threading.Barrier(8)

    def answer(arrived: Arrived) -> bytes:
        if arrived.header("authorization") == "Bearer new" or not meet.is_set():
            return OK
        all_in.wait(60)
        return http(401)

    meet = threading.Event()
    server = serve(replies(answer))
    sender = sender_of(server.url, auth=auth_by(tokens), concurrency=8)
    assert sender.send_event("file_shared", {})
    meet.set()
    assert sender.send_batch([{"type": "file_shared"}] * 8) == 8
    assert tokens_seen(server) == ["Bearer old"] * 9 + ["Bearer new"] * 8
    assert len(tokens.arrived) == 2


def test_a_token_is_renewed_before_it_ends(serve: Serve, sender_of: SenderOf) -> None:
    """One minute before; a token that lives no longer than that is used for half its life."""

    class Clock:
        now = 1_000_000.0

        def time(self) -> float:
            return self.now

        def monotonic(self) -> float:
            return self.now

    clock = Clock()
    tokens = serve(replies(token("long", expires_in=600), token("short", expires_in=60), token()))
    server = serve(replies(OK))
    sender = sender_of(server.url, {"clock": clock}, auth=auth_by(tokens))
    for later in (0, 539, 2, 28, 3):
        clock.now += later
        assert sender.send_event("file_shared", {})
    used = ["long", "long", "short", "short", "token-1"]
    assert tokens_seen(server) == [f"Bearer {name}" for name in used]


def test_the_endpoints_error_is_shown_as_one_line_without_secrets(
    serve: Serve, sender_of: SenderOf
) -> None:
    """It is told what was sent, and may repeat it: across the place where the text would be cut, too."""
    for padding in ("", "x" * 70, "line\r\nbreak \x1b[2J"):
        error = json.dumps({"error": padding + CLIENT_SECRET, "error_description": CLIENT_SECRET})
        tokens, server = serve(replies(http(400, error.encode()))), serve(replies(OK))
        sender = sender_of(server.url, auth=auth_by(tokens))
        report = sender.send_batch([{"type": "file_shared"}])
        reason = report.results[0].reason
        assert reason is not None
        with pytest.raises(WebhookError) as caught:
            sender.send_event("file_shared", {})
        for text in (reason.text, str(caught.value)):
            assert "HTTP 400" in text
            assert text.isprintable()
            assert CLIENT_SECRET[:8] not in text
