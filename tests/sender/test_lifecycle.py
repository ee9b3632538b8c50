"""Senders from cradle to grave: made, used with a transport of the caller's own, closed."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from typing import Any

import pytest

from support.behaviours import closed_port, resets, silent
from support.drivers import Async, Sending, Sync, config_for, sending
from support.faulty import OK, Faulty, http, replies
from vaulytica.errors import FailureKind
from vaulytica.integrations.webhook import (
    AsyncWebhookSender,
    Request,
    Response,
    TransportFailure,
    WebhookAuth,
    WebhookError,
    WebhookExhaustedError,
    WebhookRejectedError,
    WebhookSender,
)
from vaulytica.transport.memory import AsyncMemoryTransport, MemoryTransport

Serve = Callable[..., Faulty]
SenderOf = Callable[..., Sending]


def test_as_a_context_manager(serve: Serve) -> None:
    server = serve(replies(OK))
    with WebhookSender(config_for(server.url)) as sender:
        assert isinstance(sender, WebhookSender)
        assert sender.send_event("file_shared", {})
    with pytest.raises(WebhookError, match="the sender is closed"):
        sender.send_event("file_shared", {})


def test_as_an_async_context_manager(serve: Serve) -> None:
    server = serve(replies(OK))

    async def main() -> None:
        async with AsyncWebhookSender(config_for(server.url)) as sender:
            assert isinstance(sender, AsyncWebhookSender)
            assert await sender.send_event("file_shared", {})
        with pytest.raises(WebhookError, match="the sender is closed"):
            await sender.send_event("file_shared", {})

    asyncio.run(main())


def test_a_closed_sender_sends_nothing_more(serve: Serve, sender_of: SenderOf) -> None:
    server = serve(replies(OK))
    sender = sender_of(server.url)
    assert sender.send_event("file_shared", {})
    sender.close()
    sender.close()
    before = server.connections
    with pytest.raises(WebhookError, match="the sender is closed"):
        sender.send_event("file_shared", {})
    with pytest.raises(WebhookError, match="the sender is closed"):
        sender.send_batch([{"type": "file_shared"}])
    assert sender.test_connection() is False
    with pytest.raises(WebhookError, match="the sender is closed"):
        sender.check()
    assert (server.connections, len(server.arrived)) == (before, 1)


def test_closing_gives_back_the_connections(serve: Serve, sender_of: SenderOf) -> None:
    gone = threading.Event()

    def script(line: Any) -> None:
        replies(OK)(line)
        gone.set()

    server = serve(script)
    sender = sender_of(server.url)
    assert sender.send_event("file_shared", {})
    assert not gone.wait(0.05), "until then the connection is kept"
    sender.close()
    assert gone.wait(60)


def test_closing_while_another_thread_sends(serve: Serve) -> None:
    """The request in flight ends as it would have; later ones are refused."""
    server = serve(silent)
    sender = WebhookSender(config_for(server.url, timeout=1.0, retries=0))
    errors: list[BaseException] = []

    def send() -> None:
        try:
            sender.send_event("file_shared", {})
        except WebhookError as error:
            errors.append(error)

    thread = threading.Thread(target=send)
    thread.start()
    while not server.arrived and thread.is_alive():
        threading.Event().wait(0.01)
    sender.close()
    thread.join(60)
    assert [type(error) for error in errors] == [WebhookExhaustedError]


TROUBLE: dict[str, Callable[[Serve], str]] = {
    "bad name": lambda serve: f"http://{'x' * 70}.invalid/",
    "resets": lambda serve: serve(resets).url,
    "never answers": lambda serve: serve(silent).url,
    "401": lambda serve: serve(replies(http(401))).url,
    "500": lambda serve: serve(replies(http(500))).url,
    "not HTTP": lambda serve: serve(replies(b"\0" * 100)).url,
    "not TLS": lambda serve: serve(silent).url.replace("http:", "https:"),
}


@pytest.mark.parametrize("name", TROUBLE)
def test_test_connection_never_raises_and_tries_once(
    name: str, serve: Serve, sender_of: SenderOf
) -> None:
    sender = sender_of(TROUBLE[name](serve), timeout=0.3, retries=5)
    assert sender.test_connection() is False
    assert sender.waits == []


def test_test_connection_sends_one_event_and_says_so(serve: Serve, sender_of: SenderOf) -> None:
    server = serve(replies(OK))
    assert sender_of(server.url).test_connection() is True
    (body,) = server.bodies
    assert b'"event_type":"vaulytica.test"' in body


def test_test_connection_with_a_function_that_fails(serve: Serve, sender_of: SenderOf) -> None:
    def formatter(context: dict[str, Any]) -> dict[str, Any]:
        raise ZeroDivisionError

    server = serve(replies(OK))
    sender = sender_of(server.url, format="custom", custom_template_func=formatter)
    assert sender.test_connection() is False
    assert server.connections == 0


class Broken(Exception):
    """What a transport of the caller's own may raise, that we know nothing of."""


def raises_broken(request: Request) -> Response:
    raise Broken(request.url)


def own(kind: str, *answers: Any) -> Any:
    return (MemoryTransport if kind == "sync" else AsyncMemoryTransport)(answers)


def test_a_transport_of_the_callers_own(kind: str) -> None:
    transport = own(kind, Response(503, {"Retry-After": "3"}), Response(200))
    auth = WebhookAuth(auth_type="api_key", api_key="obviously-fake")
    config = config_for("https://siem.example.com/hook?x=1", auth=auth, timeout=7)
    sender = sending(kind, config, transport=transport)
    assert sender.send_event("file_shared", {"a": 1}, event_id="event-1")
    assert sender.waits == [3.0]
    first, second = transport.requests
    assert first == second
    assert (first.url, first.timeout) == ("https://siem.example.com/hook?x=1", 7)
    assert ("X-API-Key", "obviously-fake") in first.headers
    assert ("Webhook-Id", "event-1") in first.headers
    sender.finish()


@pytest.mark.parametrize("failure", list(FailureKind))
def test_failures_of_the_callers_own_transport_become_webhook_errors(
    failure: FailureKind, kind: str
) -> None:
    transport = own(kind, TransportFailure(failure, "two\r\nlines", retryable=False))
    sender = sending(kind, config_for("https://siem.example.com/"), transport=transport)
    with pytest.raises(WebhookError, match="two lines") as caught:
        sender.send_event("file_shared", {})
    assert caught.value.attempts == 1
    reason = sender.send_batch([{"type": "file_shared"}]).results[0].reason
    assert reason is not None
    assert reason.text.isprintable()
    sender.finish()


def test_what_the_callers_own_transport_raises_otherwise_is_a_rejection(kind: str) -> None:
    sender = sending(
        kind, config_for("https://siem.example.com/"), transport=own(kind, raises_broken)
    )
    with pytest.raises(WebhookRejectedError, match="the transport raised Broken"):
        sender.send_event("file_shared", {})
    report = sender.send_batch([{"type": "a"}, {"type": "b"}])
    assert len(report.rejected) == 2
    assert sender.test_connection() is False
    sender.finish()


def raises_timeout(_: Request) -> Response:
    raise TimeoutError("the wire is silent")


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (raises_timeout, WebhookExhaustedError, "the transport raised TimeoutError: the wire is"),
        (lambda _: None, WebhookRejectedError, "the transport gave NoneType, not a Response"),
        (lambda _: Response("200"), WebhookRejectedError, "the transport raised TypeError: a Resp"),
        (lambda _: next(iter(())), WebhookRejectedError, "the transport raised .*StopIteration"),
    ],
)
def test_a_transport_that_does_anything_is_an_outcome(
    kind: str, answer: Any, error: type[WebhookError], words: str
) -> None:
    config = config_for("https://siem.example.com/")
    sender = sending(kind, config, transport=own(kind, answer))
    with pytest.raises(error, match=words):
        sender.send_event("file_shared", {})
    reason = sender.send_batch([{"type": "a"}]).results[0].reason
    assert re.search(words, str(reason))
    assert not sender.check().ok
    sender.finish()


def test_one_event_is_no_batch(kind: str) -> None:
    sender = sending(
        kind, config_for("https://siem.example.com/"), transport=own(kind, Response(200))
    )
    for wrong in ({"type": "a"}, "abc", None, 5):
        with pytest.raises(TypeError, match="send_batch takes a list of events"):
            sender.send_batch(wrong)  # type: ignore[arg-type]
    sender.finish()


def test_check_with_a_transport_that_cannot_look(kind: str) -> None:
    sender = sending(
        kind, config_for("https://siem.example.com/"), transport=own(kind, Response(200))
    )
    report = sender.check()
    assert report.ok
    states = {step.name: step.state for step in report.steps}
    assert states["connect"] == states["tls"] == "skipped"
    assert states["answer"] == "ok"
    sender.finish()


def test_a_rejected_event_says_so_once(kind: str) -> None:
    transport = own(kind, Response(422, {}, b"no"))
    sender = sending(kind, config_for("https://siem.example.com/"), transport=transport)
    with pytest.raises(WebhookRejectedError):
        sender.send_event("file_shared", {})
    assert len(transport.requests) == 1
    sender.finish()


@pytest.mark.parametrize("face", [Sync, Async])
def test_nothing_is_connected_to_before_the_first_event(face: Any, serve: Serve) -> None:
    server = serve(replies(OK))
    face(config_for(server.url)).finish()
    with closed_port() as port:
        face(config_for(f"http://127.0.0.1:{port}/")).finish()
    assert server.connections == 0
