"""Tokens: who may put events in."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from pydantic import SecretStr

from vaulytica.relay.intake.refusal import Refusal

_CHALLENGE = b'Bearer realm="vaulytica"'


class Tokens:
    """Bearer tokens. The time that a comparison takes tells nothing: all are looked at, by their digests."""

    def __init__(self, secrets: Sequence[SecretStr]) -> None:
        self._secrets = secrets
        self._digests: dict[str, bytes] = {}

    def __bool__(self) -> bool:
        return bool(self._secrets)

    def holder(self, authorization: bytes | None) -> str:
        """Something that stays the same for one token; raises `Refusal` (401) where there is none that fits."""
        if authorization is None:
            raise _unauthorized("this needs a token: Authorization: Bearer …")
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() != b"bearer":
            raise _unauthorized("Authorization is not of the scheme Bearer")
        given = hashlib.sha256(token.strip()).digest()
        found = b""
        for secret in self._secrets:
            digest = self._digest(secret.get_secret_value())
            if hmac.compare_digest(digest, given):
                found = digest
        if not found:
            raise _unauthorized("this token is not known", b', error="invalid_token"')
        return found.hex()[:16]

    def _digest(self, secret: str) -> bytes:
        digest = self._digests.get(secret)
        if digest is None:
            if len(self._digests) > 2 * len(self._secrets):  # those of secrets that have changed
                self._digests.clear()
            digest = hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
            self._digests[secret] = digest
        return digest


def _unauthorized(why: str, more: bytes = b"") -> Refusal:
    return Refusal(401, why, headers=[(b"www-authenticate", _CHALLENGE + more)])
