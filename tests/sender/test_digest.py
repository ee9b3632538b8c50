"""Digest against a real server (Flask-HTTPAuth), over real sockets."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask, request
from flask_httpauth import HTTPDigestAuth
from werkzeug.serving import WSGIRequestHandler, make_server

from support.drivers import Sending, config_for
from vaulytica.integrations.webhook import WebhookAuth, WebhookAuthError, WebhookSender

SenderOf = Callable[..., Sending]


class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_: Any) -> None: ...


@contextmanager
def server(algorithm: str = "MD5") -> Iterator[tuple[str, list[bytes], list[str | None]]]:
    """Its URL, the bodies it let in, and the Authorization of every request."""
    app = Flask("digest")
    app.secret_key = "obviously-fake"
    guard = HTTPDigestAuth(use_ha1_pw=False, algorithm=algorithm)
    nonces: set[str] = set()
    bodies: list[bytes] = []
    seen: list[str | None] = []
    guard.get_password(lambda name: "obviously fake, ü" if name == "robot" else None)
    guard.generate_nonce(lambda: nonces.add(made := f"nonce-{len(nonces)}") or made)
    guard.verify_nonce(lambda nonce: nonce in nonces)
    guard.generate_opaque(lambda: "fake-opaque")
    guard.verify_opaque(lambda opaque: opaque == "fake-opaque")

    @app.before_request
    def note() -> None:
        request.get_data()
        seen.append(request.headers.get("Authorization"))

    @app.post("/<path:_>")
    @guard.login_required
    def hook(_: str) -> str:
        bodies.append(request.get_data())
        return "ok"

    made = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{made.port}/events/a%20b?x=1&y=%2F", bodies, seen
    finally:
        made.shutdown()
        thread.join()
        made.server_close()


def robot(password: str = "obviously fake, ü") -> WebhookAuth:
    return WebhookAuth(auth_type="digest", username="robot", password=password)


@pytest.mark.parametrize("algorithm", ["MD5", "MD5-Sess"])
def test_events_are_let_in(sender_of: SenderOf, algorithm: str) -> None:
    with server(algorithm) as (url, bodies, seen):
        sender = sender_of(url, auth=robot())
        for number in range(3):
            assert sender.send_event("file_shared", {"n": number})
        assert len(bodies) == 3
        assert [value is None for value in seen] == [True, False, False, False]


def test_a_wrong_password_sends_it_once_and_says_so(sender_of: SenderOf) -> None:
    with server() as (url, bodies, seen):
        with pytest.raises(WebhookAuthError, match="HTTP 401") as caught:
            sender_of(url, auth=robot("obviously-fake-and-wrong")).send_event("file_shared", {})
        assert "obviously-fake-and-wrong" not in str(caught.value)
        assert (bodies, len(seen)) == ([], 2)


def test_sixteen_threads_ask_for_one_challenge() -> None:
    with server() as (url, bodies, seen):
        ready = threading.Barrier(16)

        def send(sender: WebhookSender) -> bool:
            ready.wait(60)
            return sender.send_event("file_shared", {})

        with WebhookSender(config_for(url, auth=robot())) as sender, ThreadPoolExecutor(16) as pool:
            assert all(pool.map(send, [sender] * 16))
        assert len(bodies) == 16
        assert seen.count(None) == 1
        counts = {value.partition("nc=")[2][:8] for value in seen if value}
        assert counts == {f"{number:08x}" for number in range(1, 17)}
