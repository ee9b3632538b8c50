"""What goes over the wire is verified by the schemes' own packages, over the raw bytes captured."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from slack_sdk.signature import SignatureVerifier
from standardwebhooks import Webhook, WebhookVerificationError
from stripe import SignatureVerificationError, WebhookSignature

from support.heart import Canned, batch_of, delivered, guide_event
from support.signing import pair, whsec
from vaulytica.delivery.request import Response
from vaulytica.integrations.webhook import WebhookConfig, WebhookRetryConfig, WebhookSender
from vaulytica.receiving import verify
from vaulytica.receiving.receiver import Misbehaviour, Received, Receiver

DATA = {"file_name": 'naïve "x".pdf', "n": 1.50, "nothing": None, "emoji": "🔐"}
EVENTS = [{"type": "login_failed", "data": {"n": n}, "id": f"e-{n}"} for n in range(3)]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def captured(receiver: Receiver) -> Callable[..., Received]:
    """One event sent with that auth; the request as it came."""

    def capture(auth: dict[str, Any], **settings: Any) -> Received:
        with WebhookSender(WebhookConfig(url=receiver.url, auth=auth, **settings)) as sender:
            sender.send_event("file_shared_externally", DATA, "warning", event_id="e-1")
        return receiver.received[-1]

    return capture


def standard(*secrets: str) -> dict[str, Any]:
    return {"auth_type": "standard_webhooks", "hmac_secret": list(secrets)}


def verified_officially(secret: str, request: Received, body: bytes | None = None) -> None:
    given = request.body if body is None else body
    Webhook(secret).verify(given, dict(request.headers), json_parse=False)


# --- Standard Webhooks.


def test_standard_webhooks_v1(captured: Callable[..., Received]) -> None:
    request = captured(standard(whsec("key")))
    verified_officially(whsec("key"), request)
    assert verify(request.headers, request.body, whsec("key")).id == "e-1"
    with pytest.raises(WebhookVerificationError):
        verified_officially(whsec("key"), request, request.body + b" ")
    with pytest.raises(WebhookVerificationError):
        verified_officially(whsec("other"), request)


def test_standard_webhooks_v1_while_keys_rotate(captured: Callable[..., Received]) -> None:
    request = captured(standard(whsec("new"), whsec("old")))
    for known in ("new", "old"):
        verified_officially(whsec(known), request)
    with pytest.raises(WebhookVerificationError):
        verified_officially(whsec("other"), request)


def test_standard_webhooks_v1a(captured: Callable[..., Received]) -> None:
    """By `cryptography`, as the official package knows v1 only."""
    private, public = pair("key")
    request = captured(standard(private))
    version, _, signature = (request.header("webhook-signature") or "").partition(",")
    assert version == "v1a"
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public.removeprefix("whpk_")))
    before = f"{request.header('webhook-id')}.{request.header('webhook-timestamp')}.".encode()
    key.verify(base64.b64decode(signature), before + request.body)
    assert verify(request.headers, request.body, public).scheme == "standard_webhooks"
    with pytest.raises(InvalidSignature):
        key.verify(base64.b64decode(signature), before + request.body + b" ")


def test_a_v1a_signature_beside_it_does_not_disturb_the_official_package(
    captured: Callable[..., Received],
) -> None:
    private, public = pair("key")
    request = captured(standard(private, whsec("key")))
    verified_officially(whsec("key"), request)
    assert verify(request.headers, request.body, public)


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_what_is_compressed_is_signed_compressed(
    captured: Callable[..., Received], compression: str
) -> None:
    request = captured(standard(whsec("key")), compression=compression)
    assert request.header("content-encoding") == compression
    assert verify(request.headers, request.body, whsec("key")).id == "e-1"
    before = f"e-1.{request.header('webhook-timestamp')}.".encode()
    key = base64.b64decode(whsec("key").removeprefix("whsec_"))
    right = base64.b64encode(hmac.digest(key, before + request.body, "sha256")).decode()
    assert request.header("webhook-signature") == f"v1,{right}"
    if compression == "gzip":
        assert b"file_shared_externally" in gzip.decompress(request.body)


def test_a_batch_is_signed_with_its_own_id(receiver: Receiver) -> None:
    config = WebhookConfig(
        url=receiver.url, auth=standard(whsec("key")), batch={"max_events": 10, "as": "array"}
    )
    with WebhookSender(config) as sender:
        assert sender.send_batch(EVENTS) == 3
    (request,) = receiver.received
    verified_officially(whsec("key"), request)
    id = verify(request.headers, request.body, whsec("key")).id
    assert id is not None
    assert id.startswith("batch-")


def test_the_id_is_the_same_at_each_attempt_and_the_time_is_not() -> None:
    to = WebhookConfig(url="https://siem.example.com/", auth=standard(whsec("key"))).destination()
    canned = Canned(Response(503), Response(503), Response(200), took=2.0)
    delivered(canned, to, batch_of(to.format, guide_event()))
    now = canned.clock.time()
    found = [verify(r.headers, r.body, whsec("key"), now=now) for r in canned.requests]
    assert len({one.id for one in found}) == 1
    assert len({one.timestamp for one in found}) == 3
    assert len({one.signature for one in found}) == 3


def test_retries_on_the_wire_keep_the_id() -> None:
    with Receiver(fail=Misbehaviour(first=2)) as receiver:
        config = WebhookConfig(
            url=receiver.url,
            auth=standard(whsec("key")),
            retry_config=WebhookRetryConfig(initial_delay=0.01, max_delay=0.01),
        )
        with WebhookSender(config) as sender:
            sender.send_event("login_failed", {})
        assert [r.status for r in receiver.received] == [503, 503, 200]
        found = [verify(r.headers, r.body, whsec("key")) for r in receiver.received]
    assert len({one.id for one in found}) == 1


def test_there_is_one_webhook_id_and_it_is_the_one_signed() -> None:
    """On the bytes of the wire: other libraries might join or hide a second header."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        config = WebhookConfig(
            url=url,
            auth=standard(whsec("key")),
            timeout=60,
            retry_config=WebhookRetryConfig(max_retries=0),
        )
        raw = bytearray()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                while b"}" not in raw.partition(b"\r\n\r\n")[2]:
                    raw.extend(connection.recv(65536))
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                )

        thread = threading.Thread(target=serve)
        thread.start()
        with WebhookSender(config) as sender:
            sender.send_event("login_failed", {}, event_id="e-1")
        thread.join(60)
    head = bytes(raw).partition(b"\r\n\r\n")[0].lower().split(b"\r\n")
    for name in (b"webhook-id", b"webhook-timestamp", b"webhook-signature"):
        assert len([line for line in head if line.startswith(name + b":")]) == 1
    assert b"webhook-id: e-1" in head


# --- The presets.


def test_stripe(captured: Callable[..., Received]) -> None:
    request = captured({"auth_type": "stripe", "hmac_secret": ["whsec_fake_new", "whsec_fake_old"]})
    header = request.header("Stripe-Signature") or ""
    body = request.body.decode()
    for secret in ("whsec_fake_new", "whsec_fake_old"):
        assert WebhookSignature.verify_header(body, header, secret, tolerance=300)
    with pytest.raises(SignatureVerificationError):
        WebhookSignature.verify_header(body, header, "whsec_fake_other", tolerance=300)
    with pytest.raises(SignatureVerificationError):
        WebhookSignature.verify_header(body + " ", header, "whsec_fake_new", tolerance=300)
    assert verify(request.headers, request.body, "whsec_fake_old").scheme == "stripe"


def test_slack(captured: Callable[..., Received]) -> None:
    request = captured({"auth_type": "slack", "hmac_secret": "fake-signing-secret"})
    headers = dict(request.headers)
    assert SignatureVerifier("fake-signing-secret").is_valid_request(request.body, headers)
    assert not SignatureVerifier("fake-other").is_valid_request(request.body, headers)
    assert not SignatureVerifier("fake-signing-secret").is_valid_request(
        request.body + b" ", headers
    )
    assert verify(request.headers, request.body, "fake-signing-secret").scheme == "slack"


def test_github(captured: Callable[..., Received]) -> None:
    """By the algorithm that GitHub documents; its own test vector is in tests/contracts."""
    request = captured({"auth_type": "github", "hmac_secret": "fake-secret"})
    right = "sha256=" + hmac.new(b"fake-secret", request.body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(request.header("X-Hub-Signature-256") or "", right)
    found = verify(request.headers, request.body, "fake-secret", scheme="github")
    assert (found.id, found.timestamp) == (None, None)


# --- Signed by the official package, verified by ours.


def test_what_the_official_package_signs_is_verified() -> None:
    now = int(time.time())
    body = '{"a": "é"}'
    signature = Webhook(whsec("key")).sign("msg_1", datetime.fromtimestamp(now, UTC), body)
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(now), "webhook-signature": signature}
    assert verify(headers, body.encode(), whsec("key")).id == "msg_1"
