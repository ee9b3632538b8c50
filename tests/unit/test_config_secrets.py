"""Credentials: never over plain http, and never shown."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from vaulytica.config import WebhookConfig
from vaulytica.errors import WebhookConfigError

URL = "https://siem.example.com/hook"

# --- Cleartext.

TOKEN = {"auth": {"auth_type": "bearer_token", "bearer_token": "fake"}}
OAUTH2 = {
    "auth_type": "oauth2",
    "oauth2_client_id": "id",
    "oauth2_client_secret": "fake",
    "oauth2_token_url": "https://auth.example.com/token",
}


@pytest.mark.parametrize(
    "settings",
    [
        TOKEN,
        {"headers": {"Authorization": "Splunk fake"}},
        {"headers": {"DD-API-KEY": "fake"}},
        {"headers": {"Cookie": "fake"}},
        {"headers": {"X-Auth-Token": "fake"}},
        {"url": "http://user:fake@siem.example.com/"},
        {"auth": OAUTH2},
    ],
)
def test_credentials_over_plain_http_are_refused(settings: dict[str, Any]) -> None:
    settings = {"url": "http://siem.example.com/hook"} | settings
    with pytest.raises(WebhookConfigError, match="plain http"):
        WebhookConfig(**settings)
    assert WebhookConfig(**settings, allow_insecure=True)
    https = settings | {"url": settings["url"].replace("http:", "https:")}
    assert WebhookConfig(**https)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.9.9.9:8765", "localhost", "localhost.:80", "a.localhost", "[::1]:8080"],
)
def test_this_machine_may_be_spoken_to_in_cleartext(host: str) -> None:
    assert WebhookConfig(url=f"http://{host}/", **TOKEN)


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.1",
        "localhost.example.com",
        "127.0.0.1.example.com",
        "2130706433",
        "0.0.0.0",
        "notlocalhost",
    ],
)
def test_no_other_machine_may(host: str) -> None:
    with pytest.raises(WebhookConfigError, match="plain http"):
        WebhookConfig(url=f"http://{host}/", **TOKEN)


def test_what_carries_no_credentials_may_go_over_plain_http() -> None:
    hmac = {"auth_type": "hmac_sha256", "hmac_secret": "fake"}
    assert WebhookConfig(url="http://siem.example.com/", headers={"X-Team": "blue"})
    assert WebhookConfig(url="http://siem.example.com/", auth=hmac)


def test_a_token_is_not_fetched_over_plain_http() -> None:
    auth = OAUTH2 | {"oauth2_token_url": "http://auth.example.com/token"}
    with pytest.raises(WebhookConfigError, match="oauth2_token_url: credentials over plain http"):
        WebhookConfig(url=URL, auth=auth)
    assert WebhookConfig(url=URL, auth=auth, allow_insecure=True)


# --- Secrets.

CANARY = "fake-canary-7f3a"
SECRET_CONFIGS = [
    {"url": f"https://user:{CANARY}@siem.example.com/hook"},
    {"url": f"https://siem.example.com/{CANARY}/hook?token={CANARY}"},
    {"url": URL, "headers": {"Authorization": CANARY, "X-Team": CANARY}},
    {"url": URL, "proxy": f"https://user:{CANARY}@proxy.example.com:3128"},
    {"url": URL, "auth": {"auth_type": "api_key", "api_key": CANARY}},
    {"url": URL, "auth": {"auth_type": "bearer", "bearer_token": CANARY}},
    {"url": URL, "auth": {"auth_type": "basic", "username": "u", "password": CANARY}},
    {"url": URL, "auth": {"auth_type": "hmac", "hmac_secret": CANARY}},
    {"url": URL, "auth": OAUTH2 | {"oauth2_client_secret": CANARY}},
    {"url": URL, "auth": OAUTH2 | {"oauth2_token_url": f"https://auth.example.com/{CANARY}"}},
]


@pytest.mark.parametrize("settings", SECRET_CONFIGS, ids=range(len(SECRET_CONFIGS)))
def test_no_secret_shows(settings: dict[str, Any]) -> None:
    config = WebhookConfig(**settings)
    shown = [
        repr(config), str(config), f"{config}", repr(config.auth), repr(config.destination()),
        repr(config.destination().auth), repr(config.model_dump()), config.model_dump_json(),
        repr(config.model_dump(mode="json")), repr(config.destination().retry),
        repr(list(config.auth.__repr_args__())), WebhookConfig.__doc__ or "",
    ]  # fmt: skip
    assert [text for text in shown if "canary" in text] == []
    assert any("siem.example.com" in text for text in shown)


def test_a_config_cannot_be_pickled_or_changed() -> None:
    config = WebhookConfig(url=URL, **TOKEN)
    for secret in (config, config.auth):
        with pytest.raises(TypeError, match="holds secrets"):
            pickle.dumps(secret)
    with pytest.raises(ValueError, match="frozen"):
        config.url = "https://other.example.com"
    assert copy.deepcopy(config) == config


def test_what_the_destination_echoes_is_redacted() -> None:
    for settings in SECRET_CONFIGS:
        to = WebhookConfig(**settings).destination()
        if "X-Team" not in settings.get("headers", {}):
            assert "canary" not in to.redact(f"you sent {CANARY}!"), settings
