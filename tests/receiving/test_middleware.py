"""Both middlewares in real servers: what is signed gets in, and of the rest the app sees nothing."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import io
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Any
from urllib.parse import urlsplit

import fastapi
import pydantic
import pytest

from support import serving
from support.signing import secret_of, signed, whsec
from vaulytica.errors import WebhookConfigError
from vaulytica.integrations.webhook import WebhookConfig, WebhookRetryConfig, WebhookSender
from vaulytica.receiving import MemorySeenIds, Seen, Verified
from vaulytica.receiving.asgi import SignatureASGIMiddleware
from vaulytica.receiving.content_length import content_length
from vaulytica.receiving.fastapi import signed as signed_by
from vaulytica.receiving.wsgi import SignatureWSGIMiddleware

KEY = whsec("key")
BODY = b'{"a":1}'


class App:
    """Keeps what it gets, and answers with the statuses told, or raises."""

    def __init__(self, *statuses: int | Exception) -> None:
        self.statuses = list(statuses)
        self.got: list[tuple[bytes, Verified]] = []

    def status(self, body: bytes, verified: Verified) -> int:
        self.got.append((body, verified))
        status = self.statuses.pop(0) if self.statuses else 200
        if isinstance(status, Exception):
            raise status
        return status

    def wsgi(self, environ: Any, start_response: Any) -> list[bytes]:
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        status = self.status(body, environ["vaulytica.verified"])
        start_response(f"{status} Status", [("Content-Length", "2")])
        return [b"ok"]

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        status = self.status(body, scope["vaulytica.verified"])
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    async def asgi_short(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        self.status(BODY, scope["vaulytica.verified"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": True})


@pytest.fixture(params=["wsgi", "asgi"])
def serve(request: pytest.FixtureRequest) -> Iterator[Callable[..., str]]:
    """Serve an app behind its middleware; gives the URL."""
    with contextlib.ExitStack() as stack:

        def start(app: App, secrets: Any = KEY, **settings: Any) -> str:
            if request.param == "wsgi":
                guarded: Any = SignatureWSGIMiddleware(app.wsgi, secrets, **settings)
                return stack.enter_context(serving.wsgi(guarded))
            guarded = SignatureASGIMiddleware(app.asgi, secrets, **settings)
            return stack.enter_context(serving.asgi(guarded))

        yield start


def post(url: str, body: bytes, headers: Any, method: str = "POST") -> tuple[int, Any]:
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
    with contextlib.closing(connection):
        connection.request(method, "/hook", body, dict(headers))
        response = connection.getresponse()
        text = response.read()
        return response.status, json.loads(text) if text.startswith(b"{") else text


def now_signed(body: bytes = BODY, key: str = KEY, **more: Any) -> Any:
    return signed("standard_webhooks", key, body, **({"now": time.time()} | more))


def test_what_is_signed_gets_in(serve: Callable[..., str]) -> None:
    app = App()
    url = serve(app)
    config = WebhookConfig(url=url, auth={"auth_type": "standard_webhooks", "hmac_secret": KEY})
    with WebhookSender(config) as sender:
        sender.send_event("login_failed", {"user": "é"}, event_id="e-1")
    ((body, verified),) = app.got
    assert (verified.id, verified.scheme) == ("e-1", "standard_webhooks")
    assert body == verified.body
    assert json.loads(body)["data"] == {"user": "é"}


@pytest.mark.parametrize(
    ("headers", "body", "status", "why"),
    [
        ((), BODY, 401, "not signed: no header Webhook-Signature"),
        (now_signed, BODY + b" ", 401, "no signature of standard_webhooks matches"),
        (lambda: now_signed(key=whsec("other")), BODY, 401, "no signature"),
        (lambda: now_signed(now=time.time() - 301), BODY, 401, "in the past"),
        (lambda: now_signed(now=time.time() + 400), BODY, 401, "in the future"),
        (lambda: now_signed()[1:], BODY, 401, "no header Webhook-Id"),
        (lambda: {**dict(now_signed()), "Webhook-Id": "a.b"}, BODY, 400, "without a dot"),
        (lambda: {**dict(now_signed()), "Webhook-Timestamp": "now"}, BODY, 400, "whole seconds"),
    ],
)  # fmt: skip
def test_what_is_not_is_answered_and_the_app_not_called(
    serve: Callable[..., str], headers: Any, body: bytes, status: int, why: str
) -> None:
    app = App()
    answered, told = post(serve(app), body, headers() if callable(headers) else headers)
    assert answered == status
    assert told["ok"] is False
    assert why in told["error"]
    assert "\n" not in told["error"]
    assert app.got == []


def test_requests_of_any_method_are_verified(serve: Callable[..., str]) -> None:
    app = App()
    url = serve(app)
    assert post(url, b"", (), "GET")[0] == 401
    assert post(url, b"", {**dict(now_signed(b"")), "Content-Length": "0"}, "GET")[0] == 200
    assert len(app.got) == 1


def test_keys_that_rotate(serve: Callable[..., str]) -> None:
    app = App()
    url = serve(app, [whsec("old"), whsec("new")])
    assert [post(url, BODY, now_signed(key=whsec(key)))[0] for key in ("new", "old", "none")] == [
        200, 200, 401
    ]  # fmt: skip
    assert [verified.secret for _, verified in app.got] == [1, 0]


def test_schemes_without_a_time_by_name(serve: Callable[..., str]) -> None:
    app = App()
    url = serve(app, "fake-text", scheme="hmac_sha256", hmac_header="X-Mine")
    headers = signed("hmac_sha256", "fake-text", BODY, header="X-Mine")
    assert post(url, BODY, headers)[0] == 200
    assert post(url, BODY + b" ", headers)[0] == 401


# --- Size.


def test_a_body_as_large_as_allowed_gets_in(serve: Callable[..., str]) -> None:
    app = App()
    url = serve(app, max_body=1000)
    assert post(url, b"x" * 1000, now_signed(b"x" * 1000))[0] == 200
    status, told = post(url, b"x" * 1001, now_signed(b"x" * 1001))
    assert (status, told["error"]) == (413, "the body is larger than 1000 bytes")
    assert len(app.got) == 1


def test_a_body_that_is_too_large_is_refused_before_it_is_read(serve: Callable[..., str]) -> None:
    """The body never comes: an answer is there all the same."""
    app = App()
    where = urlsplit(serve(app, max_body=1000))
    with socket.create_connection((where.hostname or "", where.port or 0), timeout=60) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
        assert b" 413 " in client.recv(4096)
    assert app.got == []


@pytest.mark.parametrize(
    ("length", "status"),
    [("0" * 20 + "200000000", 400), ("0" * 9 + "200000000", 413), ("9" * 18, 413), ("1_0", 400), ("-1", 400)],
)  # fmt: skip
def test_a_length_is_read_in_one_way(length: str, status: int) -> None:
    """What the bound is held against is what is read; by WSGI, whose servers hand any text over."""
    app = App()
    environ = {"CONTENT_LENGTH": length, "wsgi.input": None}  # which nobody reads
    answered: list[str] = []
    guarded = SignatureWSGIMiddleware(app.wsgi, KEY, max_body=1000)
    guarded(environ, lambda line, _: answered.append(line[:3]))
    assert answered == [str(status)]
    assert app.got == []


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        content_length(["5", b"6"])
    assert content_length([b" 5", "5"]) == 5
    assert content_length([]) is None


def depending(app: App) -> Any:
    """The same as a FastAPI app."""
    api = fastapi.FastAPI()
    dependency = fastapi.Depends(signed_by(KEY, max_body=100_000))

    @api.post("/")
    def hook(verified: Verified = dependency) -> None:
        app.status(verified.body, verified)

    return api


@pytest.mark.parametrize("how", ["middleware", "dependency"])
def test_an_endless_body_in_chunks_is_refused(how: str) -> None:
    """By ASGI; wsgiref knows no chunks, and is asked for a length."""
    app = App()
    guarded = SignatureASGIMiddleware(app.asgi, KEY, max_body=100_000)
    with serving.asgi(guarded if how == "middleware" else depending(app)) as url:
        where = urlsplit(url)
        with socket.create_connection((where.hostname or "", where.port or 0), timeout=60) as client:  # fmt: skip
            client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(10):
                client.sendall(b"2710\r\n" + b"x" * 10_000 + b"\r\n")
            client.sendall(b"1\r\nx\r\n")  # one too many, and no end of it
            assert b" 413 " in client.recv(4096)
    assert app.got == []


def test_wsgi_asks_for_a_length_where_it_cannot_tell_the_end() -> None:
    app = App()
    guarded = SignatureWSGIMiddleware(app.wsgi, KEY)
    with serving.wsgi(guarded) as url:
        where = urlsplit(url)
        with socket.create_connection((where.hostname or "", where.port or 0), timeout=60) as client:  # fmt: skip
            client.sendall(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
            assert b" 411 " in client.recv(4096)
    assert app.got == []


# --- Replays.


def test_a_replayed_request_is_answered_and_the_app_not_called(serve: Callable[..., str]) -> None:
    app = App()
    url = serve(app, seen=MemorySeenIds())
    headers = now_signed(id="e-1")
    assert post(url, BODY, headers)[0] == 200
    status, told = post(url, BODY, headers)
    assert (status, told["ok"]) == (200, True)  # its sender need not come again
    assert "handled already" in told["error"]
    assert post(url, BODY, now_signed(id="e-2"))[0] == 200
    assert len(app.got) == 2


@pytest.mark.parametrize("fault", [503, 404, 302, RuntimeError("fake")])
def test_after_a_failure_the_senders_retry_is_let_in(serve: Callable[..., str], fault: Any) -> None:
    app = App(fault)
    url = serve(app, seen=MemorySeenIds())
    headers = now_signed(id="e-1")
    assert post_or_broken(url, headers) != 200
    assert post(url, BODY, headers)[0] == 200
    assert post(url, BODY, headers)[1]["ok"] is True
    assert len(app.got) == 2


def post_or_broken(url: str, headers: Any) -> int:
    try:
        return post(url, BODY, headers)[0]
    except (http.client.HTTPException, OSError):
        return 0


def test_a_sender_whose_first_attempt_failed_delivers_once(serve: Callable[..., str]) -> None:
    app = App(500, 500)
    config = WebhookConfig(
        url=serve(app, seen=MemorySeenIds()),
        auth={"auth_type": "standard_webhooks", "hmac_secret": KEY},
        retry_config=WebhookRetryConfig(initial_delay=0.01, max_delay=0.01),
    )
    with WebhookSender(config) as sender:
        assert sender.send_event("login_failed", {})
    assert len({verified.id for _, verified in app.got}) == 1
    assert len(app.got) == 3


def test_while_it_is_being_handled_it_may_come_again_later(serve: Callable[..., str]) -> None:
    seen = MemorySeenIds()
    app = App()
    url = serve(app, seen=seen)
    seen.claim("standard_webhooks e-1", "another", time.time() + 60)
    status, told = post(url, BODY, now_signed(id="e-1"))
    assert (status, told["ok"]) == (425, False)
    assert app.got == []


def test_a_store_that_fails_lets_nothing_in(serve: Callable[..., str]) -> None:
    app = App()
    url = serve(app, seen=MemorySeenIds(0))
    assert post_or_broken(url, now_signed()) in (0, 500)
    assert app.got == []


class Noting(MemorySeenIds):
    """Fails where a request is to be noted as done."""

    def done(self, id: str, until: float) -> None:
        raise OSError("fake: the disk is full")


def test_where_it_cannot_be_noted_the_sender_is_not_told_that_it_went_well(
    serve: Callable[..., str],
) -> None:
    app = App()
    url = serve(app, seen=Noting())
    assert post_or_broken(url, now_signed(id="e-1")) in (0, 500)
    assert len(app.got) == 1


def hang_up(url: str, headers: Any, app: Long) -> None:
    """Sends a request, and is gone without a word before the answer is there."""
    where = urlsplit(url)
    before = len(app.got)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    with socket.create_connection((where.hostname or "", where.port or 0), timeout=60) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n{lines}\r\n"
        client.sendall(head.encode() + BODY)
        end = time.monotonic() + 60
        while len(app.got) == before and time.monotonic() < end:
            time.sleep(0.005)
    app.gone.set()


class Long(App):
    """Answers at length, in parts, to a client that has gone by then."""

    def __init__(self) -> None:
        super().__init__()
        self.gone = threading.Event()

    def wsgi(self, environ: Any, start_response: Any) -> Any:
        self.status(BODY, environ["vaulytica.verified"])
        assert self.gone.wait(60)
        start_response("200 OK", [])
        return (b"x" * 100_000 for _ in range(20))

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        self.status(BODY, scope["vaulytica.verified"])
        assert await asyncio.to_thread(self.gone.wait, 60)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(20):
            await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def test_a_client_that_has_gone_undoes_nothing(serve: Callable[..., str]) -> None:
    app = Long()
    url = serve(app, seen=MemorySeenIds())
    headers = now_signed(id="e-1")
    hang_up(url, headers, app)
    end = time.monotonic() + 60
    while (told := post(url, BODY, headers))[0] == 425 and time.monotonic() < end:
        time.sleep(0.005)
    assert told[0] == 200
    assert "handled already" in told[1]["error"]
    assert len(app.got) == 1


def test_asgi_where_writing_raises_what_was_said_counts() -> None:
    seen = MemorySeenIds()
    app = App()

    async def get() -> Any:
        return {"type": "http.request", "body": BODY}

    async def broken(_: Any) -> None:
        raise OSError("fake: gone")

    headers = [(name.encode(), value.encode()) for name, value in now_signed(id="e-1")]
    guarded = SignatureASGIMiddleware(app.asgi_short, KEY, seen=seen)
    with pytest.raises(OSError, match="gone"):
        asyncio.run(guarded({"type": "http", "headers": headers}, get, broken))
    assert seen.claim("standard_webhooks e-1", "t", time.time() + 1) is Seen.DONE


def test_wsgi_an_app_that_fails_in_the_middle_of_its_answer_has_failed() -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"a"
        raise RuntimeError("fake")

    seen = MemorySeenIds()
    guarded = SignatureWSGIMiddleware(app, KEY, seen=seen)
    with pytest.raises(RuntimeError, match="fake"):
        list(guarded(environ_of(now_signed(id="e-1")), lambda *_: None))
    assert len(seen) == 0


def environ_of(headers: Any, **more: Any) -> dict[str, Any]:
    named = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers}
    return {**named, "CONTENT_LENGTH": str(len(BODY)), "wsgi.input": io.BytesIO(BODY), **more}


def test_wsgi_an_app_sees_a_chunked_body_as_one_with_a_length() -> None:
    """Servers that end the stream themselves say so, and leave the length out."""
    got: list[dict[str, Any]] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        got.append(environ)
        start_response("200 OK", [])
        return []

    environ = environ_of(now_signed(), HTTP_TRANSFER_ENCODING="chunked")
    del environ["CONTENT_LENGTH"]
    environ["wsgi.input_terminated"] = True
    list(SignatureWSGIMiddleware(app, KEY)(environ, lambda *_: None))
    (seen,) = got
    assert seen["CONTENT_LENGTH"] == str(len(BODY))
    assert "HTTP_TRANSFER_ENCODING" not in seen
    assert seen["wsgi.input"].read() == BODY


# --- FastAPI's dependency.


class Event(pydantic.BaseModel):
    a: int


@pytest.mark.parametrize("is_included", [False, True])
def test_fastapi_a_route_whose_own_validation_fails_has_failed(is_included: bool) -> None:
    got: list[int] = []
    dependency = fastapi.Depends(signed_by(KEY, seen=MemorySeenIds()))
    router = fastapi.APIRouter()

    @router.post("/hook")
    def hook(x_count: Annotated[int, fastapi.Header()], verified: Verified = dependency) -> None:
        got.append(x_count)

    headers = dict(now_signed(id="e-1"))
    with serving.asgi(served(router, is_included)) as url:
        assert post(url, BODY, {**headers, "X-Count": "many"})[0] == 422
        assert post(url, BODY, {**headers, "X-Count": "3"})[0] == 200
        assert post(url, BODY, {**headers, "X-Count": "4"})[1]["detail"].startswith("this request")
    assert got == [3]


@pytest.mark.parametrize("is_included", [False, True])
def test_fastapi_a_route_that_reads_its_body_itself_is_refused(is_included: bool) -> None:
    """FastAPI would have read it, of any size, before the dependency is asked."""
    got: list[Event] = []
    dependency = fastapi.Depends(signed_by(KEY))
    router = fastapi.APIRouter()

    @router.post("/hook")
    def hook(event: Event, verified: Verified = dependency) -> None:
        got.append(event)

    with serving.asgi(served(router, is_included)) as url:
        headers = {**dict(now_signed()), "Content-Type": "application/json"}
        assert post_or_broken(url, headers) == 500
    assert got == []


def served(router: fastapi.APIRouter, is_included: bool) -> Any:
    """The router's routes, included in an app or as its own."""
    api = fastapi.FastAPI()
    if is_included:
        api.include_router(router)
    else:
        for route in router.routes:
            api.router.routes.append(route)
    return api


# --- Wrong use.


@pytest.mark.parametrize("middleware", [SignatureASGIMiddleware, SignatureWSGIMiddleware])
def test_wrong_settings_raise_when_it_is_made(middleware: Any) -> None:
    for wrong in (
        {"secrets": ""},
        {"secrets": KEY, "scheme": "rot13"},
        {"secrets": "fake-text", "scheme": "github", "seen": MemorySeenIds()},
        {"secrets": KEY, "seen": MemorySeenIds(), "remember": 300},
        {"secrets": KEY, "seen": MemorySeenIds(), "remember": float("nan")},
        {"secrets": KEY, "seen": MemorySeenIds(), "lease": 0},
        {"secrets": KEY, "seen": MemorySeenIds(), "lease": -1},
        {"secrets": KEY, "max_body": -1},
        {"secrets": KEY, "max_body": "x"},
        {"secrets": KEY, "tolerance": "300"},
    ):
        with pytest.raises(WebhookConfigError):
            middleware(None, **wrong)


def test_asgi_lets_no_websocket_in_unsigned() -> None:
    app = App()
    guarded = SignatureASGIMiddleware(app.asgi, secret_of("slack"))

    async def never(*_: Any) -> Any:
        pytest.fail("it was let in")

    with pytest.raises(RuntimeError, match="not signed"):
        asyncio.run(guarded({"type": "websocket"}, never, never))


def test_asgi_passes_the_servers_own_start_on() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    asyncio.run(SignatureASGIMiddleware(app, KEY)({"type": "lifespan"}, app, app))  # type: ignore[arg-type]
    assert seen == ["lifespan"]


def test_asgi_leaves_the_app_alone_where_the_client_has_gone() -> None:
    app = App()

    async def gone() -> Any:
        return {"type": "http.disconnect"}

    async def never(*_: Any) -> None:
        pytest.fail("it was answered")

    scope = {"type": "http", "headers": []}
    asyncio.run(SignatureASGIMiddleware(app.asgi, KEY)(scope, gone, never))
    assert app.got == []
