"""Keys and senders for tests of signatures: who signs here is the scheme itself, without a network."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from support.heart import Canned
from vaulytica.auth import SCHEMES
from vaulytica.delivery.request import Header, Request, Response

NOW = 1761739200.0
SIGNING = ("hmac_sha256", "standard_webhooks", "github", "stripe", "slack")


def whsec(fill: str) -> str:
    """A symmetric key, obviously fake."""
    return "whsec_" + base64.b64encode(f"fake-{fill}".ljust(32, "-").encode()[:32]).decode()


def pair(fill: str) -> tuple[str, str]:
    """A private and a public key, obviously fake."""
    seed = f"fake-{fill}".ljust(32, "-").encode()[:32]
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return (
        "whsk_" + base64.b64encode(seed + public).decode(),
        "whpk_" + base64.b64encode(public).decode(),
    )


def secret_of(scheme: str, fill: str = "key") -> str:
    """A secret such as that scheme takes."""
    return whsec(fill) if scheme == "standard_webhooks" else f"fake-{fill}"


def signed(
    scheme: str,
    secret: str | Sequence[str],
    body: bytes,
    *,
    id: str = "e-1",
    now: float = NOW,
    **arguments: Any,
) -> tuple[Header, ...]:
    """All headers of the request that the scheme sends."""
    canned = Canned(Response(200))
    request = Request("https://siem.example.com/hook", (("Webhook-Id", id),), body)
    canned.run(SCHEMES.load(scheme)(secret, **arguments).flow(request, now))
    return canned.requests[0].headers
