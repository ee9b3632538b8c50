"""Proxies: none from the environment unless asked for, the one given always, and what it gets to see."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator

import pytest
import trustme

from support.behaviours import closed_port
from support.drivers import Sending
from support.faulty import OK, Faulty, http, replies
from support.proxy import Proxy
from support.tls import server_tls
from vaulytica.integrations.webhook import (
    WebhookAuth,
    WebhookAuthError,
    WebhookError,
    WebhookExhaustedError,
)

Serve = Callable[..., Faulty]
SenderOf = Callable[..., Sending]
KEY = WebhookAuth(auth_type="api_key", api_key="obviously-fake-key")
VARIABLES = ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


@pytest.fixture
def plain(serve: Serve) -> Faulty:
    return serve(replies(OK))


@pytest.fixture
def secure(serve: Serve, ca: trustme.CA, trusted: None) -> Faulty:
    return serve(replies(OK), tls=server_tls(ca))


@pytest.fixture
def proxies() -> Iterator[Callable[..., Proxy]]:
    started: list[Proxy] = []

    def start(target: Faulty | int, **more: bytes) -> Proxy:
        port = target if isinstance(target, int) else target.port
        started.append(Proxy(port, **more))
        return started[-1]

    yield start
    for proxy in started:
        proxy.close()
    assert [failure for proxy in started for failure in proxy.failures] == []


@pytest.fixture(autouse=True)
def no_proxy_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("scheme", ["plain", "secure"])
def test_proxies_of_the_environment_are_ignored(
    scheme: str,
    request: pytest.FixtureRequest,
    proxies: Callable[..., Proxy],
    sender_of: SenderOf,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = request.getfixturevalue(scheme)
    proxy = proxies(server)
    for name in VARIABLES:
        monkeypatch.setenv(name, proxy.url)
    assert sender_of(server.url).send_event("file_shared", {})
    assert proxy.connections == 0


@pytest.mark.parametrize(
    ("scheme", "variable"),
    [
        ("plain", "http_proxy"),
        ("plain", "all_proxy"),
        ("plain", "ALL_PROXY"),
        ("secure", "https_proxy"),
        ("secure", "HTTPS_PROXY"),
        ("secure", "ALL_PROXY"),
    ],
)
def test_proxies_of_the_environment_are_used_with_trust_env(
    scheme: str,
    variable: str,
    request: pytest.FixtureRequest,
    proxies: Callable[..., Proxy],
    sender_of: SenderOf,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = request.getfixturevalue(scheme)
    proxy = proxies(server)
    monkeypatch.setenv(variable, proxy.url)
    assert sender_of(server.url, trust_env=True).send_event("file_shared", {})
    assert (len(proxy.arrived), len(server.arrived)) == (1, 1)


def test_no_proxy_is_heeded_with_trust_env(
    plain: Faulty,
    proxies: Callable[..., Proxy],
    sender_of: SenderOf,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy = proxies(plain)
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert sender_of(plain.url, trust_env=True).send_event("file_shared", {})
    assert proxy.connections == 0


@pytest.mark.parametrize("variable", ["no_proxy", "NO_PROXY"])
def test_the_environment_cannot_lead_around_the_proxy_given(
    variable: str,
    plain: Faulty,
    proxies: Callable[..., Proxy],
    sender_of: SenderOf,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy = proxies(plain)
    monkeypatch.setenv(variable, "*")
    assert sender_of(plain.url, proxy=proxy.url).send_event("file_shared", {})
    assert len(proxy.arrived) == 1


def test_a_plain_request_is_forwarded_by_the_proxy_given(
    plain: Faulty, proxies: Callable[..., Proxy], sender_of: SenderOf
) -> None:
    proxy = proxies(plain)
    url = proxy.url.replace("//", "//robot:p%40ss@")
    assert sender_of(plain.url, proxy=url).send_event("file_shared", {})
    expected = base64.b64encode(b"robot:p@ss").decode()
    assert proxy.targets == [plain.url]
    assert proxy.arrived[0].header("proxy-authorization") == f"Basic {expected}"
    assert plain.arrived[0].header("proxy-authorization") is None


def test_the_proxy_sees_nothing_of_an_https_request_but_its_host(
    secure: Faulty, proxies: Callable[..., Proxy], sender_of: SenderOf
) -> None:
    """Credentials, ids and our headers are for the destination only, the proxy's are for it only."""
    proxy = proxies(secure)
    url = proxy.url.replace("//", "//robot:obviously-fake@")
    sender = sender_of(secure.url, proxy=url, auth=KEY, headers={"X-Team": "blue"})
    assert sender.send_event("file_shared", {})
    (asked,), (arrived,) = proxy.arrived, secure.arrived
    assert asked.target == f"127.0.0.1:{secure.port}"
    shown = {name.lower() for name, _ in asked.headers}
    assert shown <= {"host", "proxy-authorization", "user-agent", "proxy-connection"}
    assert arrived.header("x-api-key") == "obviously-fake-key"
    assert arrived.header("proxy-authorization") is None


@pytest.mark.parametrize("scheme", ["plain", "secure"])
@pytest.mark.parametrize(
    ("status", "error", "attempts"),
    [(407, WebhookAuthError, 1), (503, WebhookExhaustedError, 3)],
)
def test_a_proxy_that_refuses(
    scheme: str,
    status: int,
    error: type[WebhookError],
    attempts: int,
    request: pytest.FixtureRequest,
    proxies: Callable[..., Proxy],
    sender_of: SenderOf,
) -> None:
    server = request.getfixturevalue(scheme)
    proxy = proxies(server, refusal=http(status, b"no", [("Connection", "close")]))
    with pytest.raises(WebhookError, match=str(status)) as caught:
        sender_of(server.url, proxy=proxy.url).send_event("file_shared", {})
    assert (type(caught.value), caught.value.attempts) == (error, attempts)
    assert (len(proxy.arrived), server.connections) == (attempts, 0)


def test_a_proxy_that_is_not_there(plain: Faulty, sender_of: SenderOf) -> None:
    """Nothing goes out without it."""
    with closed_port() as port:
        sender = sender_of(plain.url, proxy=f"http://robot:obviously-fake@127.0.0.1:{port}")
        with pytest.raises(WebhookExhaustedError) as caught:
            sender.send_event("file_shared", {})
    assert caught.value.attempts == 3
    assert "obviously-fake" not in str(caught.value)
    assert plain.connections == 0


def test_a_proxy_without_an_address(plain: Faulty, sender_of: SenderOf) -> None:
    sender = sender_of(plain.url, proxy=f"http://{'x' * 70}.invalid:3128")
    with pytest.raises(WebhookExhaustedError, match="proxy"):
        sender.send_event("file_shared", {})
    assert plain.connections == 0


def test_a_proxy_whose_destination_is_not_there(
    secure: Faulty, proxies: Callable[..., Proxy], sender_of: SenderOf
) -> None:
    """The tunnel breaks before TLS."""
    with closed_port() as port:
        proxy = proxies(port)
        with pytest.raises(WebhookExhaustedError) as caught:
            sender_of(secure.url, proxy=proxy.url).send_event("file_shared", {})
    assert caught.value.attempts == 3
    assert secure.connections == 0
