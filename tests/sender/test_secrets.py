"""Secrets that change while a sender is at work: the next attempt uses the new one."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.canaries import PRIVATE_KEY
from support.drivers import Sending
from support.faulty import OK, Arrived, Faulty, http, replies
from support.secrets import replace
from vaulytica.integrations.webhook import (
    Response,
    SecretRef,
    WebhookAuth,
    WebhookConfig,
    WebhookError,
    WebhookSender,
)
from vaulytica.secrets import reference
from vaulytica.transport.memory import MemoryTransport

Serve = Callable[..., Faulty]
SenderOf = Callable[..., Sending]
OLD, NEW = "old-fake-secret-0123", "new-fake-secret-4567"


@pytest.fixture(autouse=True)
def _look_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "LOOK_EVERY", 0.0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(OLD)
    return path


def signature(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


SCHEMES: dict[str, tuple[dict[str, Any], Callable[[Arrived, str], bool]]] = {
    "api_key": ({"api_key": ""}, lambda a, s: a.header("X-API-Key") == s),
    "bearer_token": (
        {"bearer_token": ""},
        lambda a, s: a.header("Authorization") == f"Bearer {s}",
    ),
    "hmac_sha256": (
        {"hmac_secret": ""},
        lambda a, s: a.header("X-Signature") == signature(s, a.body),
    ),
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_next_attempt_has_the_new_secret(
    scheme: str, file: Path, serve: Serve, sender_of: SenderOf
) -> None:
    """Also the next attempt for the same event: it is signed anew, with what is there then."""
    settings, is_with = SCHEMES[scheme]
    server = serve(replies(OK, lambda _: (replace(file, NEW), http(503))[1], OK))
    auth = WebhookAuth(auth_type=scheme, **dict.fromkeys(settings, SecretRef(f"file:{file}")))
    sender = sender_of(server.url, auth=auth)
    assert sender.send_event("a", {})
    assert sender.send_event("b", {})
    first, refused, second = server.arrived
    assert is_with(first, OLD)
    assert is_with(refused, OLD)
    assert is_with(second, NEW)


def test_a_header_of_ones_own(file: Path, serve: Serve, sender_of: SenderOf) -> None:
    server = serve(replies(OK))
    headers = {"X-Team": "blue", "X-Token": SecretRef(f"file:{file}"), "User-Agent": "mine"}
    sender = sender_of(server.url, headers=headers)
    assert sender.send_event("a", {})
    replace(file, NEW)
    assert sender.send_event("b", {})
    assert [a.header("X-Token") for a in server.arrived] == [OLD, NEW]
    assert [a.header("X-Team") for a in server.arrived] == ["blue", "blue"]
    assert all(sum(n.lower() == "x-token" for n, _ in a.headers) == 1 for a in server.arrived)


def test_splunks_scheme_stands_before_the_new_key_too(
    file: Path, serve: Serve, sender_of: SenderOf
) -> None:
    server = serve(replies(http(200, b'{"text":"Success","code":0}')))
    auth = WebhookAuth(
        auth_type="api_key", api_key=SecretRef(f"file:{file}"), api_key_header="Authorization"
    )
    sender = sender_of(server.url, auth=auth, format="splunk_hec")
    sender.send_event("a", {})
    replace(file, NEW)
    sender.send_event("b", {})
    keys = [a.header("Authorization") for a in server.arrived]
    assert keys == [f"Splunk {OLD}", f"Splunk {NEW}"]


def test_oauth2_fetches_a_token_with_the_new_secret(
    file: Path, serve: Serve, sender_of: SenderOf
) -> None:
    answer = http(200, json.dumps({"access_token": "fake-token", "expires_in": 3600}).encode())
    tokens, server = serve(replies(answer)), serve(replies(OK))
    auth = WebhookAuth(
        auth_type="oauth2",
        oauth2_token_url=tokens.url,
        oauth2_client_id="robot",
        oauth2_client_secret=SecretRef(f"file:{file}"),
    )
    sender = sender_of(server.url, auth=auth)
    for _ in range(2):
        sender.send_event("a", {})
    replace(file, NEW)
    for _ in range(2):
        sender.send_event("a", {})
    bodies = [a.body.decode() for a in tokens.arrived]
    assert len(bodies) == 2
    assert f"client_secret={OLD}" in bodies[0]
    assert f"client_secret={NEW}" in bodies[1]


def test_old_and_new_are_redacted_in_what_the_destination_says(
    file: Path, serve: Serve, sender_of: SenderOf
) -> None:
    """It may say of the new key that it is not the old one."""
    words = f"{OLD} was right, {NEW} is wrong".encode()
    server = serve(replies(OK, http(403, words)))
    for given in ("auth", "header"):
        replace(file, OLD)
        ref = SecretRef(f"file:{file}")
        auth = WebhookAuth(auth_type="api_key", api_key=ref) if given == "auth" else None
        headers = {"X-Mine": ref} if given == "header" else {}
        sender = sender_of(server.url, auth=auth, headers=headers)
        sender.send_batch([{"type": "a"}])
        replace(file, NEW)
        with pytest.raises(WebhookError, match=r"\*\*\* was right, \*\*\* is wrong"):
            sender.send_event("b", {})


def test_a_new_secret_that_cannot_be_used_is_told_once_and_the_old_one_stays(
    file: Path, serve: Serve, sender_of: SenderOf, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(replies(OK))
    auth = WebhookAuth(auth_type="api_key", api_key=SecretRef(f"file:{file}"))
    sender = sender_of(server.url, auth=auth)
    replace(file, "fake\nX-Forged: 1")
    caplog.set_level(logging.WARNING)
    for _ in range(3):
        sender.send_event("a", {})
    assert [a.header("X-API-Key") for a in server.arrived] == [OLD] * 3
    assert all(a.header("X-Forged") is None for a in server.arrived)
    (record,) = [r for r in caplog.records if "stay" in r.getMessage()]
    assert "control character" in record.getMessage()
    assert "Forged" not in caplog.text
    replace(file, NEW)
    sender.send_event("a", {})
    assert server.arrived[-1].header("X-API-Key") == NEW


def test_a_new_secret_cannot_lead_to_a_token_endpoint_in_clear(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def account(endpoint: str) -> str:
        made = {"type": "service_account", "client_email": "robot", "private_key": PRIVATE_KEY}
        return json.dumps(made | {"token_uri": endpoint})

    file.write_text(account("https://auth.example.com/token"))
    auth = WebhookAuth(
        auth_type="oauth2",
        oauth2_service_account=SecretRef(f"file:{file}"),
        oauth2_scope="events:write",
    )
    config = WebhookConfig(url="https://siem.example.com/", auth=auth)
    transport = MemoryTransport([Response(503)])
    with WebhookSender(config, transport=transport) as sender:
        replace(file, account("http://auth.example.com/token"))
        sender.test_connection()
    assert {request.url for request in transport.requests} == {"https://auth.example.com/token"}
    assert "oauth2_token_url: credentials over plain http would be readable" in caplog.text


def test_a_file_that_goes_away_stops_nothing(
    file: Path, serve: Serve, sender_of: SenderOf, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(replies(OK))
    auth = WebhookAuth(auth_type="api_key", api_key=SecretRef(f"file:{file}"))
    sender = sender_of(server.url, auth=auth)
    file.unlink()
    for _ in range(3):
        assert sender.send_event("a", {})
    assert [a.header("X-API-Key") for a in server.arrived] == [OLD] * 3
    assert caplog.text.count("stays in use") == 1
