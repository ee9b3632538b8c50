"""Proxies of every kind, real ones on this machine: ways through, ways around, and the guard of a policy."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
import trustme

from support.drivers import Sending
from support.faulty import OK, Faulty, replies
from support.proxy import Proxy, at
from support.socks import Socks5
from support.tls import server_tls
from vaulytica.integrations.webhook import (
    WebhookEgressError,
    WebhookExhaustedError,
)

Serve = Callable[..., Faulty]
SenderOf = Callable[..., Sending]
EVENTS = [{"type": "file_shared"}] * 3


Run = Callable[[Any], Any]


# --- Ways through.


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_socks5(scheme: str, server: Faulty, run: Run, sender_of: SenderOf) -> None:
    proxy = run(Socks5(server.port))
    sender = sender_of(server.url, proxy=at(scheme, proxy))
    for _ in range(2):
        assert sender.send_event("file_shared", {})
    assert proxy.targets == [f"127.0.0.1:{server.port}"]
    assert (proxy.connections, len(server.arrived)) == (1, 2)
    assert sender.check().ok


def test_socks5h_leaves_the_name_to_the_proxy(serve: Serve, run: Run, sender_of: SenderOf) -> None:
    server = serve(replies(OK))
    proxy = run(Socks5(server.port))
    url = f"http://nowhere.invalid:{server.port}/hook"
    assert sender_of(url, proxy=at("socks5h", proxy)).send_event("file_shared", {})
    assert proxy.targets == [f"nowhere.invalid:{server.port}"]
    with pytest.raises(WebhookExhaustedError, match="no address for the host"):
        sender_of(url, proxy=at("socks5", proxy)).send_event("file_shared", {})


def test_socks5_with_a_password(server: Faulty, run: Run, sender_of: SenderOf) -> None:
    proxy = run(Socks5(server.port, password=("robot", "p@ss")))
    url = at("socks5h", proxy, "robot:p%40ss@")
    assert sender_of(server.url, proxy=url).send_event("file_shared", {})
    assert proxy.users == [("robot", "p@ss")]


def test_a_proxy_by_https(server: Faulty, ca: trustme.CA, run: Run, sender_of: SenderOf) -> None:
    proxy = run(Proxy(server.port, tls=server_tls(ca)))
    url = at("https", proxy, "robot:obviously-fake@")
    sender = sender_of(server.url, proxy=url)
    assert sender.send_event("file_shared", {})
    expected = base64.b64encode(b"robot:obviously-fake").decode()
    assert proxy.arrived[0].header("proxy-authorization") == f"Basic {expected}"
    assert server.arrived[0].header("proxy-authorization") is None
    assert sender.check().ok


@pytest.mark.parametrize(
    ("entry", "around"),
    [
        ("127.0.0.1", True),
        ("127.0.0.0/8", True),
        ("*", True),
        ("10.0.0.0/8", False),
        ("example.com", False),
    ],
)
def test_no_proxy_leads_around_it(
    entry: str, around: bool, server: Faulty, run: Run, sender_of: SenderOf
) -> None:
    proxy = run(Proxy(server.port))
    sender = sender_of(server.url, proxy=proxy.url, no_proxy=["other.example", entry])
    assert sender.send_event("file_shared", {})
    assert (proxy.connections == 0) is around
    assert len(server.arrived) == 1


def test_no_proxy_takes_the_place_of_the_environments(
    serve: Serve, run: Run, sender_of: SenderOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(replies(OK))
    proxy = run(Proxy(server.port))
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", "*")
    sender = sender_of(server.url, trust_env=True, no_proxy=["other.example"])
    assert sender.send_event("file_shared", {})
    assert proxy.connections == 1


# --- With an egress policy.


def refused(sender: Sending, kind: type[Exception], words: str) -> str:
    with pytest.raises(kind, match=words) as caught:
        sender.send_event("file_shared", {})
    return str(caught.value)


@pytest.mark.parametrize("kind_of", [Proxy, Socks5])
def test_a_proxy_named_as_the_guard_may_be_on_a_private_network(
    kind_of: Any, server: Faulty, run: Run, sender_of: SenderOf
) -> None:
    proxy = run(kind_of(server.port))
    scheme = "http" if kind_of is Proxy else "socks5h"
    sender = sender_of(
        server.url, proxy=at(scheme, proxy), egress="public-only", proxy_is_guard=True
    )
    assert sender.send_event("file_shared", {})
    assert sender.check().ok


def test_but_not_where_deny_says(server: Faulty, run: Run, sender_of: SenderOf) -> None:
    proxy = run(Proxy(server.port))
    sender = sender_of(
        server.url, proxy=proxy.url, egress={"deny": ["127.0.0.0/8"]}, proxy_is_guard=True
    )
    words = "egress refused: the proxy's address 127.0.0.1 is in deny"
    refused(sender, WebhookEgressError, words)
    assert (proxy.connections, server.connections) == (0, 0)


def test_what_goes_around_the_guard_is_held_to_the_policy(
    server: Faulty, run: Run, sender_of: SenderOf
) -> None:
    proxy = run(Proxy(server.port))
    sender = sender_of(
        server.url,
        proxy=proxy.url,
        no_proxy=["127.0.0.1"],
        egress="public-only",
        proxy_is_guard=True,
    )
    refused(sender, WebhookEgressError, "egress refused: 127.0.0.1 is not public")
    assert (proxy.connections, server.connections) == (0, 0)


def test_a_guard_of_the_environment(
    serve: Serve, run: Run, sender_of: SenderOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And without one there, nothing private is reached."""
    server = serve(replies(OK))
    proxy = run(Proxy(server.port))
    settings = {"trust_env": True, "egress": "public-only", "proxy_is_guard": True}
    for name in ("http_proxy", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    sender = sender_of(server.url, **settings)
    refused(sender, WebhookEgressError, "127.0.0.1 is not public")
    monkeypatch.setenv("http_proxy", proxy.url)
    assert sender_of(server.url, **settings).send_event("file_shared", {})
    assert (proxy.connections, server.connections) == (1, 1)
