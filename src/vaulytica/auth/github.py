"""Signatures in GitHub's shape: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries."""

from __future__ import annotations

from vaulytica.auth.signing import KeyedHash, SignatureAuth, one_secret
from vaulytica.delivery.request import Header, Request
from vaulytica.keys import text_key


class GitHubAuth(SignatureAuth):
    """`X-Hub-Signature-256: sha256=<hex>` over the body; no time is signed."""

    name = "github"
    header_names = ("X-Hub-Signature-256",)

    def __init__(self, secret: str | None) -> None:
        secret = one_secret(self.name, secret)
        super().__init__((secret,))
        self._hash = KeyedHash(text_key(secret, "hmac_secret"))

    def signature_headers(self, request: Request, now: float) -> tuple[Header, ...]:
        """One header."""
        return (("X-Hub-Signature-256", f"sha256={self._hash.hex(request.body)}"),)
