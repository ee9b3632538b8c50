"""What settings come to: names and aliases, headers, userinfo, Splunk's prefix, cleartext, secrets unseen."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

import vaulytica
from support.heart import Canned, batch_of, delivered, guide_event, header
from vaulytica.config import (
    WebhookAuth,
    WebhookAuthType,
    WebhookConfig,
    WebhookFormat,
    WebhookRetryConfig,
)
from vaulytica.delivery.policy import RetryPolicy
from vaulytica.delivery.request import Request, Response
from vaulytica.errors import WebhookConfigError

URL = "https://siem.example.com/hook"


def request_of(**settings: Any) -> Request:
    """The request that the guide's event becomes under these settings."""
    to = WebhookConfig(**({"url": URL} | settings)).destination()
    canned = Canned(Response(200))
    batch = batch_of(to.format, guide_event())
    delivered(canned, to, batch)
    return canned.requests[0]


# --- Names.


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("json", "json"),
        ("generic", "json"),
        ("JSON", "json"),
        ("splunk_hec", "splunk_hec"),
        ("splunk", "splunk_hec"),
        ("Splunk_HEC", "splunk_hec"),
        ("datadog", "datadog"),
        ("elastic", "elastic"),
        ("elasticsearch", "elastic"),
        (WebhookFormat.JSON, "json"),
        (WebhookFormat.SPLUNK_HEC, "splunk_hec"),
        (WebhookFormat.DATADOG, "datadog"),
        (WebhookFormat.ELASTIC, "elastic"),
    ],
)
def test_a_format_has_one_name_and_aliases(given: str, name: str) -> None:
    config = WebhookConfig(url=URL, format=given)
    assert config.format == name == WebhookFormat(name)
    assert config.destination().format.name == name
    assert config == WebhookConfig(url=URL, format=name)


def test_an_unknown_format_lists_all_known_ones_once() -> None:
    with pytest.raises(WebhookConfigError) as caught:
        WebhookConfig(url=URL, format="xml")
    known = str(caught.value).split("known are ")[1].split(", ")
    assert known == [
        "json", "splunk_hec", "datadog", "datadog_logs", "elastic", "ecs", "custom",
        "generic", "splunk", "elasticsearch",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "auth_type"),
    [
        ("bearer", WebhookAuthType.BEARER_TOKEN),
        ("BEARER_TOKEN", WebhookAuthType.BEARER_TOKEN),
        (WebhookAuthType.BEARER_TOKEN, WebhookAuthType.BEARER_TOKEN),
    ],
)
def test_an_auth_type_has_aliases_too(given: str, auth_type: WebhookAuthType) -> None:
    assert WebhookAuth(auth_type=given, bearer_token="fake").auth_type is auth_type


def test_the_guides_defaults() -> None:
    config = WebhookConfig(url=URL)
    assert (config.format, config.timeout, config.verify_ssl) == ("json", 30.0, True)
    assert (config.concurrency, config.trust_env, config.proxy) == (8, False, None)
    assert config.destination().retry == RetryPolicy()
    assert WebhookAuth(auth_type="api_key", api_key="fake").api_key_header == "X-API-Key"
    assert WebhookAuth(auth_type="hmac", hmac_secret="fake").hmac_header == "X-Signature"


def test_retry_settings_become_the_policy() -> None:
    settings = {
        "max_retries": 10_000,
        "initial_delay": 0.5,
        "max_delay": 300.0,
        "exponential_base": 3.0,
        "jitter": False,
        "retry_after_cap": 60.0,
        "deadline": 900.0,
    }
    assert WebhookRetryConfig(**settings).policy() == RetryPolicy(**settings)  # type: ignore[arg-type]


# --- Headers.


def test_content_type_is_always_there() -> None:
    assert header(request_of(), "Content-Type") == "application/json"
    assert header(request_of(headers={"X-Team": "blue"}), "Content-Type") == "application/json"


@pytest.mark.parametrize("name", ["Content-Type", "content-type", "CONTENT-TYPE"])
def test_the_users_content_type_wins(name: str) -> None:
    request = request_of(headers={name: "application/vnd.example+json"})
    assert header(request, "Content-Type") == "application/vnd.example+json"


def test_the_user_agent_is_ours_or_the_users() -> None:
    assert header(request_of(), "User-Agent") == f"vaulytica/{vaulytica.__version__}"
    assert header(request_of(headers={"user-agent": "mine"}), "User-Agent") == "mine"


def test_header_values_are_sent_as_given() -> None:
    values = {"X-A": "a  b", "X-Empty": "", "X-Quoted": '"q", é', "X-Tab": "a\tb"}
    request = request_of(headers=values)
    assert {name: header(request, name) for name in values} == values


@pytest.mark.parametrize("switch", ["webhook_id_header", "idempotency_key_header"])
def test_id_headers_can_be_switched_off_and_then_be_the_users(switch: str) -> None:
    name = {"webhook_id_header": "Webhook-Id", "idempotency_key_header": "Idempotency-Key"}[switch]
    assert header(request_of(), name)
    assert header(request_of(**{switch: False}), name) is None
    assert header(request_of(**{switch: False}, headers={name: "mine"}), name) == "mine"


AUTHS: list[tuple[dict[str, Any], str]] = [
    ({"auth_type": "api_key", "api_key": "fake"}, "X-API-Key"),
    ({"auth_type": "api_key", "api_key": "fake", "api_key_header": "DD-API-KEY"}, "dd-api-key"),
    ({"auth_type": "bearer_token", "bearer_token": "fake"}, "AUTHORIZATION"),
    ({"auth_type": "basic_auth", "username": "u", "password": "fake"}, "authorization"),
    ({"auth_type": "hmac_sha256", "hmac_secret": "fake"}, "x-signature"),
    (
        {
            "auth_type": "oauth2",
            "oauth2_token_url": "https://auth.example.com/token",
            "oauth2_client_id": "id",
            "oauth2_client_secret": "fake",
        },
        "Authorization",
    ),
]


@pytest.mark.parametrize(("auth", "name"), AUTHS)
def test_a_header_that_auth_sets_too_is_a_clash(auth: dict[str, Any], name: str) -> None:
    with pytest.raises(WebhookConfigError, match=f"header {name} clashes with the one set by auth"):
        WebhookConfig(url=URL, auth=WebhookAuth(**auth), headers={name: "fake"})


@pytest.mark.parametrize(
    "name",
    [
        "Content-Type",
        "content-length",
        "Transfer-Encoding",
        "Host",
        "Webhook-Id",
        "Idempotency-Key",
    ],
)
def test_credentials_cannot_take_the_place_of_a_header_with_a_meaning(name: str) -> None:
    for auth in (
        {"auth_type": "api_key", "api_key": "5", "api_key_header": name},
        {"auth_type": "hmac_sha256", "hmac_secret": "fake", "hmac_header": name},
    ):
        with pytest.raises(WebhookConfigError, match="not one that auth can have"):
            WebhookConfig(url=URL, auth=WebhookAuth(**auth))


# --- Userinfo in the URL.


@pytest.mark.parametrize(
    ("userinfo", "credentials"),
    [
        ("user:fake-password", "user:fake-password"),
        ("us%40er:fake%2Fpass%3Aword", "us@er:fake/pass:word"),
        ("üser:fäke", "üser:fäke"),
    ],
)
def test_userinfo_becomes_basic_authentication(userinfo: str, credentials: str) -> None:
    request = request_of(url=f"https://{userinfo}@siem.example.com:8088/hook?a=b")
    encoded = base64.b64encode(credentials.encode()).decode()
    assert header(request, "Authorization") == f"Basic {encoded}"
    assert request.url == "https://siem.example.com:8088/hook?a=b"


def test_userinfo_and_auth_are_a_clash() -> None:
    auth = WebhookAuth(auth_type="api_key", api_key="fake")
    with pytest.raises(WebhookConfigError, match="give only one"):
        WebhookConfig(url="https://user:fake@siem.example.com/", auth=auth)
    with pytest.raises(WebhookConfigError, match="clashes"):
        WebhookConfig(url="https://u:fake@siem.example.com/", headers={"Authorization": "fake"})


# --- Splunk's prefix.


@pytest.mark.parametrize(
    ("format", "name", "key", "sent"),
    [
        ("splunk_hec", "Authorization", "fake-token", "Splunk fake-token"),
        ("splunk", "authorization", "fake-token", "Splunk fake-token"),
        ("splunk_hec", "Authorization", " fake-token ", "Splunk fake-token"),
        ("splunk_hec", "Authorization", "Splunk fake-token", "Splunk fake-token"),
        ("splunk_hec", "Authorization", "Bearer fake-token", "Bearer fake-token"),
        ("splunk_hec", "X-API-Key", "fake-token", "fake-token"),
        ("json", "Authorization", "fake-token", "fake-token"),
    ],
)
def test_splunks_prefix(format: str, name: str, key: str, sent: str) -> None:
    auth = WebhookAuth(auth_type="api_key", api_key=key, api_key_header=name)
    value = header(request_of(format=format, auth=auth), name)
    assert value is not None
    assert " ".join(value.split()) == sent


# --- Bodies.


def test_signed_bodies_are_written_as_the_guides_verifier_writes_them() -> None:
    signed = request_of(auth=WebhookAuth(auth_type="hmac_sha256", hmac_secret="fake"))
    assert signed.body == json.dumps(json.loads(signed.body), sort_keys=True).encode()
    assert len(request_of().body) < len(signed.body)
    assert json.loads(request_of().body) == json.loads(signed.body)


def test_the_timeout_bounds_the_token_request_too() -> None:
    to = WebhookConfig(url=URL, auth=AUTHS[-1][0], timeout=7).destination()
    canned = Canned(Response(200, (), b'{"access_token": "t", "expires_in": 60}'), Response(200))
    delivered(canned, to, batch_of(to.format, guide_event()))
    assert [request.timeout for request in canned.requests] == [7.0, 7.0]
