"""What a sender does not do unless told to: netrc, 100-continue, other hosts' headers, cleartext secrets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.drivers import Sending
from support.faulty import OK, Faulty, http, replies
from vaulytica.integrations.webhook import (
    Event,
    WebhookAuth,
    WebhookAuthError,
    WebhookConfig,
    WebhookConfigError,
    WebhookEventError,
    WebhookSender,
)

Serve = Callable[..., Faulty]
SenderOf = Callable[..., Sending]
SECRET = "obviously-fake"


def test_netrc_is_never_read(
    serve: Serve, sender_of: SenderOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = "machine 127.0.0.1 login robot password obviously-fake\ndefault login a password b\n"
    for name in (".netrc", "_netrc"):
        path = tmp_path / name
        path.write_text(netrc)
        path.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    server = serve(replies(http(401, b"", [("WWW-Authenticate", "Basic")])))
    for trust_env in (False, True):
        with pytest.raises(WebhookAuthError):
            sender_of(server.url, trust_env=trust_env).send_event("file_shared", {})
    assert [arrived.header("authorization") for arrived in server.arrived] == [None, None]


def test_a_large_body_is_not_preceded_by_expect(serve: Serve, sender_of: SenderOf) -> None:
    server = serve(replies(OK))
    assert sender_of(server.url).send_event("file_shared", {"text": "x" * 3_000_000})
    (arrived,) = server.arrived
    assert arrived.header("expect") is None
    assert len(arrived.body) > 3_000_000


def test_the_headers_are_those_we_mean_and_no_others(serve: Serve, sender_of: SenderOf) -> None:
    server = serve(replies(OK))
    auth = WebhookAuth(auth_type="bearer_token", bearer_token=SECRET)
    headers = {"X-Team": "blue", "X-Empty": "", "User-Agent": "mine/1", "X-Name": "J\u00f6rg"}
    sender = sender_of(server.url, auth=auth, headers=headers)
    assert sender.send_event("file_shared", {}, event_id="event-1")
    (arrived,) = server.arrived
    assert sorted(arrived.headers) == sorted(
        [
            ("Host", f"127.0.0.1:{server.port}"),
            ("Accept", "*/*"),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(arrived.body))),
            ("User-Agent", "mine/1"),
            ("X-Team", "blue"),
            ("X-Empty", ""),
            ("X-Name", "J\u00f6rg".encode().decode("latin-1")),
            ("Authorization", f"Bearer {SECRET}"),
            ("Webhook-Id", "event-1"),
            ("Idempotency-Key", "event-1"),
        ]
    )
    assert arrived.line == "POST /hook HTTP/1.1"


BREAKS = ["\r\nX-Forged: 1", "\nX-Forged: 1", "\rX-Forged: 1", "\0", "\x0b", "\x7f"]


def auth_with(**fields: Any) -> WebhookAuth:
    return WebhookAuth(**fields)


HEADER_FIELDS: dict[str, Callable[[str], Any]] = {
    "header value": lambda text: {"headers": {"X-Team": text}},
    "header name": lambda text: {"headers": {text: "blue"}},
    "api key": lambda text: {"auth": auth_with(auth_type="api_key", api_key=text)},
    "api key header": lambda text: {
        "auth": auth_with(auth_type="api_key", api_key=SECRET, api_key_header=text)
    },
    "bearer": lambda text: {"auth": auth_with(auth_type="bearer_token", bearer_token=text)},
    "username": lambda text: {
        "auth": auth_with(auth_type="basic_auth", username=text, password=SECRET)
    },
    "password": lambda text: {
        "auth": auth_with(auth_type="basic_auth", username="robot", password=text)
    },
    "digest's user name": lambda text: {
        "auth": auth_with(auth_type="digest", username=text, password=SECRET)
    },
    "header template": lambda text: {
        "auth": auth_with(auth_type="headers", auth_headers={"X-Key": text})
    },
    "header template's name": lambda text: {
        "auth": auth_with(auth_type="headers", auth_headers={text: SECRET})
    },
    "header template's secret": lambda text: {
        "auth": auth_with(
            auth_type="headers", auth_headers={"X-Key": "Token {k}"}, auth_secrets={"k": text}
        )
    },
    "hmac header": lambda text: {
        "auth": auth_with(auth_type="hmac_sha256", hmac_secret=SECRET, hmac_header=text)
    },
    "url": lambda text: {"url": f"https://siem.example.com/{text}"},
    "url's host": lambda text: {"url": f"https://siem.example.com{text}/"},
    "url's userinfo": lambda text: {"url": f"https://robot:{text}@siem.example.com/"},
    "proxy": lambda text: {"proxy": f"http://{text}@proxy.example.com"},
    "token url": lambda text: {
        "auth": auth_with(
            auth_type="oauth2",
            oauth2_token_url=f"https://auth.example.com/{text}",
            oauth2_client_id="robot",
            oauth2_client_secret=SECRET,
        )
    },
}


@pytest.mark.parametrize("broken", BREAKS, ids=ascii)
@pytest.mark.parametrize("field", HEADER_FIELDS)
def test_control_characters_are_refused_in_all_that_becomes_a_header(
    field: str, broken: str
) -> None:
    with pytest.raises(WebhookConfigError) as caught:
        WebhookConfig(**{"url": "https://siem.example.com/", **HEADER_FIELDS[field](f"a{broken}b")})
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("broken", [*BREAKS, " ", "\u00e9", "x" * 300], ids=lambda t: ascii(t)[:9])
def test_an_event_id_cannot_forge_a_header(broken: str) -> None:
    sender = WebhookSender(WebhookConfig(url="https://siem.example.com/"))
    with pytest.raises(WebhookEventError, match="event id must be"):
        sender.send_event("file_shared", {}, event_id=f"a{broken}b")
    with pytest.raises(WebhookEventError, match="event id must be"):
        Event.from_mapping({"type": "file_shared", "id": f"a{broken}b"})


@pytest.mark.parametrize("broken", ["a\r\nX-Forged: 1", "a\nb", "a\0b", "a\ud800b"], ids=ascii)
def test_a_token_that_could_forge_a_header_is_not_sent(
    broken: str, serve: Serve, sender_of: SenderOf
) -> None:
    import json

    answer = json.dumps({"access_token": broken, "expires_in": 60}).encode()
    tokens, server = serve(replies(http(200, answer))), serve(replies(OK))
    auth = auth_with(
        auth_type="oauth2",
        oauth2_token_url=tokens.url,
        oauth2_client_id="robot",
        oauth2_client_secret=SECRET,
    )
    with pytest.raises(WebhookAuthError, match="the token cannot stand in a header"):
        sender_of(server.url, auth=auth).send_event("file_shared", {})
    assert server.connections == 0


CREDENTIALS: dict[str, dict[str, Any]] = {
    "api key": {"auth": {"auth_type": "api_key", "api_key": SECRET}},
    "bearer": {"auth": {"auth_type": "bearer_token", "bearer_token": SECRET}},
    "basic": {"auth": {"auth_type": "basic_auth", "username": "robot", "password": SECRET}},
    "oauth2": {
        "auth": {
            "auth_type": "oauth2",
            "oauth2_token_url": "https://auth.example.com/token",
            "oauth2_client_id": "robot",
            "oauth2_client_secret": SECRET,
        }
    },
    "userinfo": {"url": "http://robot:obviously-fake@HOST/hook"},
    "query": {"url": "http://HOST/hook?token=obviously-fake"},
    "Authorization": {"headers": {"Authorization": f"Splunk {SECRET}"}},
    "DD-API-KEY": {"headers": {"DD-API-KEY": SECRET}},
    "Cookie": {"headers": {"cookie": f"session={SECRET}"}},
}
FAR = [
    "siem.example.com",
    "10.0.0.1",
    "[2001:db8::1]",
    "localhost.example.com",
    "127.0.0.1.example",
]
NEAR = ["localhost", "127.0.0.1:8080", "127.8.9.1", "[::1]:8080", "api.localhost", "LOCALHOST."]


def over_http(name: str, host: str, **more: Any) -> WebhookConfig:
    settings = {"url": "http://HOST/hook", **CREDENTIALS[name], **more}
    settings["url"] = settings["url"].replace("HOST", host)
    return WebhookConfig(**settings)


@pytest.mark.parametrize("host", FAR)
@pytest.mark.parametrize("name", CREDENTIALS)
def test_credentials_over_plain_http_are_refused(name: str, host: str) -> None:
    with pytest.raises(WebhookConfigError, match="credentials over plain http"):
        over_http(name, host)
    assert over_http(name, host, allow_insecure=True)


@pytest.mark.parametrize("host", NEAR)
@pytest.mark.parametrize("name", CREDENTIALS)
def test_credentials_over_plain_http_may_stay_on_this_machine(name: str, host: str) -> None:
    assert over_http(name, host)


def test_a_token_is_not_fetched_over_plain_http_either() -> None:
    auth = CREDENTIALS["oauth2"]["auth"] | {"oauth2_token_url": "http://auth.example.com/token"}
    with pytest.raises(WebhookConfigError, match="oauth2_token_url: credentials over plain http"):
        WebhookConfig(url="https://siem.example.com/", auth=auth)


@pytest.mark.parametrize("name", CREDENTIALS)
def test_a_far_proxy_makes_this_machines_own_http_readable_too(name: str) -> None:
    """What is sent to localhost through a proxy elsewhere does leave this machine."""
    with pytest.raises(WebhookConfigError, match="credentials over plain http"):
        over_http(name, "localhost", proxy="http://proxy.example.com:3128")
    assert over_http(name, "localhost", proxy="http://127.0.0.1:3128")


def test_an_unauthenticated_or_signed_event_may_go_over_plain_http() -> None:
    assert WebhookConfig(url="http://siem.example.com/")
    signed = auth_with(auth_type="hmac_sha256", hmac_secret=SECRET)
    assert WebhookConfig(url="http://siem.example.com/", auth=signed)
    assert WebhookConfig(url="http://siem.example.com/?index=main", headers={"X-Team": "blue"})


def test_a_proxys_own_credentials_are_not_sent_in_cleartext_either() -> None:
    settings = {
        "url": "https://siem.example.com/",
        "proxy": "http://robot:obviously-fake@proxy.example.com",
    }
    with pytest.raises(WebhookConfigError, match="proxy: credentials over plain http"):
        WebhookConfig(**settings)
    assert WebhookConfig(**settings, allow_insecure=True)
    assert WebhookConfig(**settings | {"proxy": "http://robot:obviously-fake@127.0.0.1:3128"})


@pytest.mark.parametrize("name", ["http_proxy", "ALL_PROXY"])
def test_a_far_proxy_of_the_environment_counts_where_it_is_trusted(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "http://proxy.example.com:3128")
    assert over_http("bearer", "localhost")
    with pytest.raises(WebhookConfigError, match="credentials over plain http"):
        over_http("bearer", "localhost", trust_env=True)


def test_an_absurdly_long_url_is_refused() -> None:
    with pytest.raises(WebhookConfigError, match="longer than 8000 characters"):
        WebhookConfig(url="https://siem.example.com/" + "a" * 8000)
