"""A canary in every secret place never shows: in no form of config, sender or request, nor in any pickle."""

from __future__ import annotations

import copy
import json
import pickle
import pprint
from collections.abc import Callable
from typing import Any

import pytest
from rich.pretty import pretty_repr

from support.canaries import CANARY, PLACES, leaks, secret_paths, settings_with, texts_of
from vaulytica.config import WebhookBatchConfig, WebhookEgress, WebhookRateLimit, WebhookTLS
from vaulytica.delivery.request import Response
from vaulytica.integrations.webhook import (
    AsyncWebhookSender,
    Request,
    WebhookAuth,
    WebhookConfig,
    WebhookConfigError,
    WebhookRetryConfig,
    WebhookSecurityWarning,
    WebhookSender,
)
from vaulytica.transport.memory import MemoryTransport

HERE = "http://127.0.0.1:8080"
place = pytest.mark.parametrize("where", PLACES)


def test_the_detector_finds_what_it_should() -> None:
    """A check that cannot fail is none."""
    assert leaks(f"text with {CANARY} in it")
    assert leaks(f"half of it: {CANARY[:12]}…")
    assert leaks("Basic cm9ib3Q6Y0FuQXJZLm9idmlvdXNseS1mYWtlLjAxMjM0NTY3ODk=")
    assert not leaks("nothing here but *** and obvious words")


def test_every_setting_that_takes_a_secret_has_its_canary() -> None:
    """The settings are found in the models; one that is added needs at most what stands beside it."""
    paths = set(secret_paths())
    assert {("auth", "api_key"), ("auth", "oauth2_client_secret"), ("headers",)} <= paths
    for *parents, name in paths - {("headers",)}:
        value: Any = WebhookConfig(**settings_with(name, HERE))
        for parent in (*parents, name):
            value = getattr(value, parent)
        values = value.values() if isinstance(value, dict) else value
        for secret in values if isinstance(value, (list, tuple, dict)) else [value]:
            text = secret if isinstance(secret, str) else secret.get_secret_value()
            assert CANARY in text, f"say in support/canaries.py how {name} is"


def test_no_setting_that_sounds_like_a_secret_is_plain_text() -> None:
    words = ("secret", "password", "token", "key", "passphrase", "credential")
    plain = {"api_key_header", "oauth2_token_url", "idempotency_key_header"}
    plain |= {"oauth2_key_id", "aws_access_key_id"}  # names of keys
    secret = {path[-1] for path in secret_paths()}
    fields = {**WebhookConfig.model_fields, **WebhookAuth.model_fields}
    sounding = {name for name in fields if any(word in name for word in words)}
    assert sounding - secret - plain == set()


def shown(thing: Any) -> list[str]:
    """All the ways in which a thing may end up in a log."""
    texts = [repr(thing), str(thing), f"{thing}", f"{thing!r:>40}", f"{thing!s:.9}"]
    texts += [
        pprint.pformat(thing),
        pretty_repr(thing),
        ascii(thing),
        repr([thing]),
        repr({1: thing}),
    ]
    if hasattr(thing, "model_dump"):
        texts += [
            repr(thing.model_dump()),
            repr(thing.model_dump(mode="json")),
            thing.model_dump_json(),
        ]
        texts += [repr(dict(thing.model_dump(exclude_defaults=True)))]
        texts += [repr(copy.copy(thing)), repr(copy.deepcopy(thing)), repr(thing.model_copy())]
    return texts


@place
def test_config_and_auth_show_nothing(where: str) -> None:
    config = WebhookConfig(**settings_with(where, HERE))
    for thing in (config, config.auth, config.destination().auth):
        assert leaks(" ".join(shown(thing))) == []
    assert "127.0.0.1:8080" in repr(config), "what is safe of the URL is shown"


@place
def test_senders_and_their_parts_show_nothing(where: str) -> None:
    config = WebhookConfig(**settings_with(where, HERE))
    for sender in (WebhookSender(config), AsyncWebhookSender(config)):
        parts = (sender, sender.destination, sender.destination.auth, sender.destination.format)
        for thing in (*parts, sender._driver, sender._driver.transport, vars(sender)):
            assert leaks(" ".join(shown(thing))) == []


@place
def test_the_warning_of_a_protection_switched_off_shows_nothing(where: str) -> None:
    settings = settings_with(where, HERE.replace("http:", "https:"))
    with pytest.warns(WebhookSecurityWarning) as warned:
        WebhookSender(WebhookConfig(**settings, verify_ssl=False))
    assert leaks(" ".join(f"{warning.message} {warning.message!r}" for warning in warned)) == []


@place
def test_requests_and_answers_show_nothing(where: str) -> None:
    """A transport of the caller's own may log what it is given."""
    texts: list[str] = []

    def answer(request: Request) -> Response:
        texts.extend(shown(request))
        if "token" in request.url:
            token = json.dumps({"access_token": CANARY, "expires_in": 600})
            response = Response(200, {"Set-Cookie": CANARY}, token.encode())
        elif where.startswith("digest") and not request.body:
            challenge = f'Digest realm="{CANARY}", nonce="{CANARY}"'
            response = Response(401, {"WWW-Authenticate": challenge})
        else:
            response = Response(200, {"Set-Cookie": CANARY}, CANARY.encode())
        texts.extend(shown(response))
        return response

    config = WebhookConfig(**settings_with(where, HERE))
    sender = WebhookSender(config, transport=MemoryTransport([answer]))
    assert sender.send_event("file_shared", {})
    assert texts
    assert leaks(" ".join(texts)) == []


@place
def test_what_holds_secrets_refuses_to_be_pickled(where: str) -> None:
    config = WebhookConfig(**settings_with(where, HERE))
    sender = WebhookSender(config)
    things = (config, config.auth, sender, AsyncWebhookSender(config), sender.destination)
    for thing in things:
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises(TypeError, match="secrets"):
                pickle.dumps(thing, protocol)
        with pytest.raises(TypeError, match="secrets"):
            pickle.dumps([thing])


MODELS: tuple[type[Any], ...] = (
    WebhookAuth,
    WebhookBatchConfig,
    WebhookConfig,
    WebhookEgress,
    WebhookRateLimit,
    WebhookRetryConfig,
    WebhookTLS,
)
WRONG: dict[str, Callable[[], Any]] = {
    "as it is": lambda: CANARY,
    "with a space": lambda: f"Bearer {CANARY}",
    "with a line end": lambda: f"{CANARY}\r\nX-Forged: {CANARY}",
    "as bytes": lambda: CANARY.encode(),
    "in a list": lambda: [CANARY],
    "as a key": lambda: {CANARY: 1},
    "as a key with a space": lambda: {f"Bearer {CANARY}": "x"},
    "as a value": lambda: {"Authorization": [CANARY]},
    "in a tuple of arguments": lambda: (CANARY, CANARY),
}


NAMES = (
    "api_key_header",
    "hmac_header",
    "username",
    "oauth2_client_id",
    "headers",
    "no_proxy",
    "custom_template",
    "server_name",
)


def built(model: type[Any], settings: dict[str, Any]) -> tuple[Any, WebhookConfigError | None]:
    try:
        return model(**settings), None
    except WebhookConfigError as error:
        return None, error


@pytest.mark.parametrize("how", WRONG)
@pytest.mark.parametrize(
    ("model", "field"),
    [(model, field) for model in MODELS for field in sorted(model.model_fields)],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_a_secret_in_the_wrong_field_is_not_repeated_in_the_error(
    model: type[Any], field: str, how: str
) -> None:
    """Positions get mixed up, and a whole `Authorization: Bearer …` gets pasted as a name."""
    settings: dict[str, Any] = (
        {"url": "https://siem.example.com/"} if model is WebhookConfig else {}
    )
    if model is WebhookAuth and field != "auth_type":
        settings["auth_type"] = {
            "hmac": "hmac_sha256",
            "oaut": "oauth2",
            "bear": "bearer_token",
        }.get(field[:4], "basic_auth" if field in ("username", "password") else "api_key")
        if field.endswith("_header"):
            settings |= {"api_key": "obviously-other", "hmac_secret": "obviously-other"}
    settings[field] = WRONG[how]()
    made, error = built(model, settings)
    if error is not None:
        assert str(error).isprintable()
        assert leaks(texts_of(error)) == []
    elif field not in NAMES:
        assert leaks(repr(made)) == []


def test_a_secret_as_the_name_of_a_setting_is_not_repeated_either() -> None:
    for model in MODELS:
        with pytest.raises(WebhookConfigError) as caught:
            model(**{"url": "https://siem.example.com/", f"Bearer {CANARY}": 1})
        assert leaks(texts_of(caught.value)) == []
