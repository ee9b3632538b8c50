"""What fails at a proxy is told apart from what fails at the destination, and costs no retry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trustme

from support.behaviours import closed_port, resets, says, silent
from support.drivers import Sending
from support.faulty import OK, Faulty, http, replies
from support.proxy import Proxy, at
from support.socks import FAILED, HOST_UNREACHABLE, NET_UNREACHABLE, NOT_ALLOWED, REFUSED, Socks5
from support.tls import server_tls
from vaulytica.delivery.outcome import ReasonKind
from vaulytica.integrations.webhook import (
    WebhookAuth,
    WebhookAuthError,
    WebhookExhaustedError,
    WebhookRetryConfig,
    WebhookTLSError,
)

Serve = Callable[..., Faulty]
SenderOf = Callable[..., Sending]
EVENTS = [{"type": "file_shared"}] * 3


Run = Callable[[Any], Any]


# --- What fails, and whose it is.


def refused(sender: Sending, kind: type[Exception], words: str) -> str:
    with pytest.raises(kind, match=words) as caught:
        sender.send_event("file_shared", {})
    return str(caught.value)


def test_a_proxy_that_is_not_there(server: Faulty, sender_of: SenderOf) -> None:
    with closed_port() as port:
        for scheme in ("http", "https", "socks5", "socks5h"):
            sender = sender_of(server.url, proxy=f"{scheme}://127.0.0.1:{port}")
            refused(sender, WebhookExhaustedError, "the proxy failed: no connection to it")
    assert server.connections == 0


@pytest.mark.parametrize("status", [403, 502, 503, 504])
def test_connect_that_is_refused(
    status: int, secure: Faulty, run: Run, sender_of: SenderOf
) -> None:
    proxy = run(Proxy(1, refusal=http(status, b"no", [("Connection", "close")])))
    words = f"the proxy failed: it answered HTTP {status} to CONNECT"
    sender = sender_of(secure.url, proxy=proxy.url)
    refused(sender, WebhookExhaustedError, words)
    report = sender.check()
    assert report.failed.name == "connect"
    assert "proxy" in report.failed.advice


@pytest.mark.parametrize("script", [resets, says()], ids=["reset", "closed"])
def test_connect_that_is_not_answered(
    script: Any, secure: Faulty, serve: Serve, sender_of: SenderOf
) -> None:
    proxy = serve(script)
    sender = sender_of(secure.url, proxy=proxy.origin)
    refused(sender, WebhookExhaustedError, "the proxy failed: the connection to it broke")


def test_407_is_a_refusal_of_our_credentials_by_the_proxy(
    server: Faulty, run: Run, sender_of: SenderOf
) -> None:
    proxy = run(Proxy(server.port, refusal=http(407, b"", [("Connection", "close")])))
    url = at("http", proxy, "robot:obviously-fake@")
    text = refused(sender_of(server.url, proxy=url), WebhookAuthError, "HTTP 407, from the proxy")
    assert "obviously-fake" not in text
    assert proxy.count(1) == 1


@pytest.mark.parametrize("user", ["", "robot:obviously-fake@"])
def test_a_socks_proxy_that_does_not_let_us_in(
    user: str, server: Faulty, run: Run, sender_of: SenderOf
) -> None:
    proxy = run(Socks5(server.port, password=("robot", "other")))
    sender = sender_of(server.url, proxy=at("socks5h", proxy, user))
    text = refused(sender, WebhookAuthError, "the proxy failed")
    assert "obviously-fake" not in text
    assert (proxy.connections, server.connections) == (1, 0)


@pytest.mark.parametrize("reply", [FAILED, NOT_ALLOWED])
def test_a_socks_proxy_that_fails(
    reply: int, server: Faulty, run: Run, sender_of: SenderOf
) -> None:
    proxy = run(Socks5(server.port, reply=reply))
    sender = sender_of(server.url, proxy=at("socks5h", proxy))
    refused(sender, WebhookExhaustedError, "the proxy failed")


@pytest.mark.parametrize("reply", [REFUSED, HOST_UNREACHABLE, NET_UNREACHABLE])
def test_a_socks_proxy_that_cannot_reach_the_destination_says_so(
    reply: int, server: Faulty, run: Run, sender_of: SenderOf
) -> None:
    """Which is the destination's fault."""
    proxy = run(Socks5(server.port, reply=reply))
    sender = sender_of(server.url, proxy=at("socks5h", proxy))
    refused(sender, WebhookExhaustedError, "no connection .the proxy says: ")


@pytest.mark.parametrize("wrong", ["name", "authority"])
@pytest.mark.filterwarnings("ignore::vaulytica.errors.WebhookSecurityWarning")
@pytest.mark.parametrize("verify", [True, False])
def test_a_proxy_by_https_that_is_not_trusted(
    wrong: str, verify: bool, server: Faulty, ca: trustme.CA, run: Run, sender_of: SenderOf
) -> None:
    """Also where the destination's certificate is not looked at."""
    context = server_tls(ca, "other.example") if wrong == "name" else server_tls(trustme.CA())
    proxy = run(Proxy(server.port, tls=context))
    sender = sender_of(server.url, proxy=at("https", proxy), verify_ssl=verify)
    refused(sender, WebhookTLSError, "no trusted TLS connection to the proxy")
    assert (proxy.connections, proxy.arrived, server.connections) == (1, [], 0)


def test_a_destination_that_is_not_trusted_is_not_taken_for_the_proxy(
    serve: Serve, trusted: None, run: Run, sender_of: SenderOf
) -> None:
    server = serve(replies(OK), tls=server_tls(trustme.CA()))
    for proxy, scheme in ((run(Proxy(server.port)), "http"), (run(Socks5(server.port)), "socks5h")):
        text = refused(
            sender_of(server.url, proxy=at(scheme, proxy)), WebhookTLSError, "no trusted TLS"
        )
        assert "proxy" not in text


def test_a_destination_that_breaks_is_not_taken_for_the_proxy(
    serve: Serve, ca: trustme.CA, trusted: None, run: Run, sender_of: SenderOf
) -> None:
    """Neither on a new connection through the tunnel, nor on a kept one."""
    answers = iter([OK])

    def script(line: Any) -> None:
        line.request()
        for answer in answers:
            line.send(answer)
            line.request()
        line.reset()

    server = serve(script, tls=server_tls(ca))
    proxy = run(Proxy(server.port))
    sender = sender_of(server.url, proxy=proxy.url, retries=0)
    assert sender.send_event("file_shared", {})
    for _ in range(2):
        with pytest.raises(WebhookExhaustedError) as caught:
            sender.send_event("file_shared", {})
        assert "the connection broke" in str(caught.value)
        assert "proxy" not in str(caught.value)
    assert server.connections == 2


# --- What it costs.


def test_a_proxy_that_is_down_costs_a_batch_no_retry(
    secure: Faulty, run: Run, sender_of: SenderOf
) -> None:
    """Not even if nothing was ever delivered; a destination that is down would cost them."""
    refusals = iter([http(503, b"", [("Connection", "close")])] * 6)
    proxy = run(_ProxyThatComesBack(secure.port, refusals))
    retry = WebhookRetryConfig(max_retries=1, initial_delay=0.01, jitter=False)
    sender = sender_of(secure.url, proxy=proxy.url, retry_config=retry, concurrency=1)
    report = sender.send_batch(EVENTS)
    assert report == 3
    assert max(result.attempts for result in report.results) > 2


class _ProxyThatComesBack(Proxy):
    """Answers with the refusals first, and then does its work."""

    def __init__(self, port: int, refusals: Iterator[bytes]) -> None:
        self._refusals = refusals
        super().__init__(port)

    def _tunnel(self, line: Any) -> None:
        refusal = next(self._refusals, None)
        if refusal is None:
            super()._tunnel(line)
        else:
            line.send(refusal)
            line.end()


def test_a_destination_that_fails_through_the_proxy_costs_retries_as_ever(
    serve: Serve, run: Run, sender_of: SenderOf
) -> None:
    server = serve(replies(http(500)))
    proxy = run(Proxy(server.port))
    report = sender_of(server.url, proxy=proxy.url, concurrency=1).send_batch(EVENTS[:1])
    (result,) = report.results
    assert (result.attempts, result.reason.kind) == (3, ReasonKind.SERVER)


def test_after_patience_the_events_are_deferred_and_the_proxy_is_named(
    secure: Faulty, run: Run, sender_of: SenderOf
) -> None:
    proxy = run(Proxy(1, refusal=http(502, b"", [("Connection", "close")])))
    sender = sender_of(secure.url, proxy=proxy.url, patience=5)
    report = sender.send_batch(EVENTS[:1])
    (result,) = report.results
    assert result.reason.kind is ReasonKind.PROXY
    assert result.reason.text.startswith("the proxy was down for ")
    assert "the proxy failed: it answered HTTP 502 to CONNECT" in result.reason.text


def test_a_token_request_through_a_proxy_that_is_down_costs_no_retry_either(
    serve: Serve, ca: trustme.CA, secure: Faulty, run: Run, sender_of: SenderOf
) -> None:
    token = http(200, b'{"access_token": "t", "token_type": "Bearer", "expires_in": 60}')
    tokens = serve(replies(token), tls=server_tls(ca))
    refusals = iter([http(503, b"", [("Connection", "close")])] * 4)
    proxy = run(_ProxyByPort(refusals))
    auth = WebhookAuth(
        auth_type="oauth2",
        oauth2_token_url=tokens.url,
        oauth2_client_id="id",
        oauth2_client_secret="obviously-fake",
    )
    retry = WebhookRetryConfig(max_retries=1, initial_delay=0.01, jitter=False)
    sender = sender_of(secure.url, proxy=proxy.url, auth=auth, retry_config=retry, concurrency=1)
    assert sender.send_batch(EVENTS[:1]) == 1
    assert (len(tokens.arrived), len(secure.arrived)) == (1, 1)


class _ProxyByPort(_ProxyThatComesBack):
    """Leads to the port that was named."""

    def __init__(self, refusals: Iterator[bytes]) -> None:
        super().__init__(0, refusals)

    def _tunnel(self, line: Any) -> None:
        self._port = int(self.arrived[-1].target.rpartition(":")[2])
        super()._tunnel(line)


def test_a_silent_proxy_is_given_up_on_by_the_deadline(
    secure: Faulty, serve: Serve, sender_of: SenderOf
) -> None:
    proxy = serve(silent)
    sender = sender_of(secure.url, proxy=proxy.origin, retries=0, timeout=1.0)
    refused(sender, WebhookExhaustedError, "no whole answer in time")
