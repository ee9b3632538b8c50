"""Signatures in Slack's shape: https://api.slack.com/authentication/verifying-requests-from-slack."""

from __future__ import annotations

from vaulytica.auth.signing import KeyedHash, SignatureAuth, one_secret
from vaulytica.delivery.request import Header, Request
from vaulytica.keys import text_key


class SlackAuth(SignatureAuth):
    """`X-Slack-Signature: v0=<hex>` over `v0:<seconds>:<body>`, and the seconds in a header of their own."""

    name = "slack"
    header_names = ("X-Slack-Request-Timestamp", "X-Slack-Signature")

    def __init__(self, secret: str | None) -> None:
        secret = one_secret(self.name, secret)
        super().__init__((secret,))
        self._hash = KeyedHash(text_key(secret, "hmac_secret"))

    def signature_headers(self, request: Request, now: float) -> tuple[Header, ...]:
        """The time, and the signature over it and the body."""
        seconds = str(int(now))
        signature = self._hash.hex(b"v0:%s:" % seconds.encode("ascii"), request.body)
        return (
            ("X-Slack-Request-Timestamp", seconds),
            ("X-Slack-Signature", f"v0={signature}"),
        )
