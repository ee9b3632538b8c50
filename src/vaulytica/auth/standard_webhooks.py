"""Standard Webhooks (https://www.standardwebhooks.com): v1 by HMAC-SHA256, v1a by ed25519.

Signed is `<id>.<seconds>.<body>`: the id is that of the header Webhook-Id, the same at each attempt.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable, Sequence

from vaulytica.auth.signing import KeyedHash, SignatureAuth, several_secrets
from vaulytica.delivery.request import Header, Request
from vaulytica.errors import AuthFailure, WebhookConfigError
from vaulytica.keys import PRIVATE, SYMMETRIC, private_key, symmetric_key

Sign = Callable[[bytes, bytes], bytes]  # of what comes before the body, and the body


class StandardWebhooksAuth(SignatureAuth):
    """`Webhook-Timestamp`, and `Webhook-Signature` with one signature for each key, the first key's first.

    Needs the header Webhook-Id to be there; an id with a dot is refused, since dots part what is signed.
    """

    name = "standard_webhooks"
    header_names = ("Webhook-Timestamp", "Webhook-Signature")
    signed_headers = ("Webhook-Id",)

    def __init__(self, secrets: str | Sequence[str] | None) -> None:
        given = several_secrets(secrets)
        super().__init__([text for one in given for text in (one, one.strip().partition("_")[2])])
        self._signers = [_signer(one) for one in given]

    def signature_headers(self, request: Request, now: float) -> tuple[Header, ...]:
        """The time, and all signatures."""
        seconds = str(int(now))
        before, body = f"{_id_of(request)}.{seconds}.".encode("ascii"), request.body
        signatures = [
            f"{version},{b2a_base64(sign(before, body), newline=False).decode('ascii')}"
            for version, sign in self._signers
        ]
        return (("Webhook-Timestamp", seconds), ("Webhook-Signature", " ".join(signatures)))


def _id_of(request: Request) -> str:
    for name, value in request.headers:
        if name.lower() == "webhook-id":
            if "." in value:
                raise AuthFailure(
                    "not signed: the event's id holds a dot, which Standard Webhooks cannot sign"
                )
            return value
    raise AuthFailure("not signed: the request has no header Webhook-Id")


def _signer(text: str) -> tuple[str, Sign]:
    text = text.strip()
    if text.startswith(SYMMETRIC):
        return "v1", KeyedHash(symmetric_key(text, "hmac_secret")).digest
    if text.startswith(PRIVATE):
        sign = private_key(text, "hmac_secret").sign
        return "v1a", lambda before, body: sign(before + body)
    raise WebhookConfigError(
        f"hmac_secret: a Standard Webhooks key begins with {SYMMETRIC}, or {PRIVATE} for ed25519"
    )
