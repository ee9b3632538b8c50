"""Verify what senders sign, over the raw body: never over JSON that was read and written again."""

from __future__ import annotations

import hashlib
import hmac


def verify_hmac_sha256(body: bytes, signature: str, secret: str) -> bool:
    """Whether `signature` is the hex HMAC-SHA256 of exactly these bytes; takes the same time either way."""
    expected = hmac.digest(secret.encode("utf-8"), body, hashlib.sha256).hex()
    # As bytes: compare_digest refuses text that is not ASCII, and the signature is a stranger's.
    given = signature.strip().lower().encode("utf-8", "surrogatepass")
    return hmac.compare_digest(given, expected.encode("ascii"))
