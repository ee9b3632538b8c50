"""The recipes of docs/RECEIVING.md, as they stand there, in the real frameworks: served, and sent to."""

from __future__ import annotations

import contextlib
import http.client
import importlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from support import serving
from support.docs.pages import ROOT, Page
from support.signing import signed, whsec
from vaulytica.integrations.webhook import WebhookAuthError, WebhookConfig, WebhookSender

KEY = whsec("key")
FILES = {
    block.directives["file"]: block.text
    for block in Page(ROOT / "docs/RECEIVING.md").blocks
    if "file" in block.directives
}


@pytest.fixture
def module(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The recipe's module, imported anew."""
    name = request.param
    (tmp_path / f"{name}.py").write_text(FILES[f"{name}.py"], encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("WEBHOOK_SECRET", KEY)
    importlib.invalidate_caches()
    yield importlib.import_module(name)
    del sys.modules[name]


@pytest.fixture
def url(module: Any) -> Iterator[str]:
    """Where it is served."""
    if module.__name__ == "django_views":
        served: Any = serving.wsgi(_django(module))
    elif module.__name__ == "flask_app":
        served = serving.wsgi(module.app)
    else:
        served = serving.asgi(module.app)
    with served as base:
        yield f"{base}/webhook"


def _django(module: Any) -> Any:
    import django
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIHandler
    from django.urls import clear_url_caches, path

    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["127.0.0.1"], SECRET_KEY="obviously-fake", LOGGING_CONFIG=None)  # fmt: skip
        django.setup()
    module.urlpatterns = [path("webhook", module.webhook)]
    settings.ROOT_URLCONF = module.__name__
    clear_url_caches()
    return WSGIHandler()


RECIPES = [name.removesuffix(".py") for name in FILES]
EACH = pytest.mark.parametrize("module", RECIPES, indirect=True)


def post(url: str, body: bytes, headers: Any) -> int:
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
    with contextlib.closing(connection):
        connection.request("POST", where.path, body, dict(headers))
        response = connection.getresponse()
        response.read()
        return response.status


def test_there_is_one_for_each_framework() -> None:
    assert RECIPES == ["flask_app", "django_views", "fastapi_app"]


@EACH
def test_a_real_sender_gets_in(module: Any, url: str) -> None:
    auth = {"auth_type": "standard_webhooks", "hmac_secret": [whsec("new"), KEY]}
    with WebhookSender(WebhookConfig(url=url, auth=auth)) as sender:
        for n in range(3):
            assert sender.send_event("login_failed", {"n": n, "name": "é"})
    assert [event["data"] for event in module.events] == [{"n": n, "name": "é"} for n in range(3)]


@EACH
def test_one_with_another_key_does_not(module: Any, url: str) -> None:
    auth = {"auth_type": "standard_webhooks", "hmac_secret": whsec("other")}
    with (
        WebhookSender(WebhookConfig(url=url, auth=auth)) as sender,
        pytest.raises(WebhookAuthError, match="no signature of standard_webhooks matches"),
    ):
        sender.send_event("login_failed", {})
    assert module.events == []


@EACH
def test_a_body_that_was_changed_and_a_replay_do_not(module: Any, url: str) -> None:
    headers = signed("standard_webhooks", KEY, b'{"n": 1}', now=time.time())
    assert post(url, b'{"n": 2}', headers) == 401
    assert post(url, b'{"n":1}', headers) == 401  # the same JSON, and other bytes
    assert post(url, b'{"n": 1}', headers) == 200
    assert post(url, b'{"n": 1}', headers) == 200  # answered, but not handled
    assert module.events == [{"n": 1}]


@EACH
def test_what_cannot_be_handled_may_come_again(module: Any, url: str) -> None:
    class Full(list[Any]):
        def append(self, _: Any) -> None:
            raise OSError("fake: no room")

    module.events = Full()
    headers = signed("standard_webhooks", KEY, b'{"n": 1}', now=time.time())
    for _ in range(2):
        assert post(url, b'{"n": 1}', headers) == 500
    module.events = []
    for _ in range(2):
        assert post(url, b'{"n": 1}', headers) == 200
    assert module.events == [{"n": 1}]


@EACH
def test_what_is_signed_and_no_json_need_not_come_again(module: Any, url: str) -> None:
    for body in (b"no JSON", b"\xff", b""):
        headers = signed("standard_webhooks", KEY, body, now=time.time())
        assert post(url, body, headers) == 400
    assert module.events == []


@EACH
def test_a_body_that_is_too_large_does_not(module: Any, url: str) -> None:
    body = b'"' + b"x" * 3_000_000 + b'"'
    headers = signed("standard_webhooks", KEY, body, now=time.time())
    with contextlib.suppress(ConnectionError):  # the server may end it while we still write
        assert post(url, body, headers) in (400, 413)
    assert module.events == []
