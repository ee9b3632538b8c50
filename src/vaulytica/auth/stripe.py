"""Signatures in Stripe's shape: https://docs.stripe.com/webhooks?verify=verify-manually."""

from __future__ import annotations

from collections.abc import Sequence

from vaulytica.auth.signing import KeyedHash, SignatureAuth, several_secrets
from vaulytica.delivery.request import Header, Request
from vaulytica.keys import text_key


class StripeAuth(SignatureAuth):
    """`Stripe-Signature: t=<seconds>,v1=<hex>` over `<seconds>.<body>`; one `v1` for each secret.

    A secret is used as the text it is, also where it begins with `whsec_`.
    """

    name = "stripe"
    header_names = ("Stripe-Signature",)

    def __init__(self, secrets: str | Sequence[str] | None) -> None:
        super().__init__(several_secrets(secrets))
        self._hashes = [KeyedHash(text_key(secret, "hmac_secret")) for secret in self._secrets]

    def signature_headers(self, request: Request, now: float) -> tuple[Header, ...]:
        """One header, with the time in it."""
        seconds = str(int(now))
        signed = b"%s." % seconds.encode("ascii")
        signatures = [f"v1={keyed.hex(signed, request.body)}" for keyed in self._hashes]
        return (("Stripe-Signature", ",".join((f"t={seconds}", *signatures))),)
