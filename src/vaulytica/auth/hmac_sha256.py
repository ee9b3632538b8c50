"""The guide's signature: hex HMAC-SHA256 of the body, in a header."""

from __future__ import annotations

from vaulytica.auth.signing import KeyedHash, SignatureAuth, one_secret
from vaulytica.delivery.request import Header, Request, checked_header
from vaulytica.keys import text_key


class HmacSha256Auth(SignatureAuth):
    """`X-Signature: <hex>` over exactly the bytes that are sent, made anew at each attempt."""

    name = "hmac_sha256"

    def __init__(self, secret: str | None, header: str = "X-Signature") -> None:
        secret = one_secret(self.name, secret)
        super().__init__((secret,))
        self._hash = KeyedHash(text_key(secret, "hmac_secret"))
        self._header, _ = checked_header(header, "", "hmac_header")
        self.header_names: tuple[str, ...] = (header,)

    def signature_headers(self, request: Request, now: float) -> tuple[Header, ...]:
        """One header, and no time in it."""
        return ((self._header, self._hash.hex(request.body)),)
