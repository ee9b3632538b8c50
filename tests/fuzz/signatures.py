"""Target: a stranger's signature over a stranger's body."""

from __future__ import annotations

from fuzz.taking import Taking
from vaulytica.receiving.verify import verify_hmac_sha256

SECRET = "obviously-fake-0123456789"


def target(data: bytes) -> None:
    """Nothing verifies that was not made with the secret, and nothing breaks the verifying."""
    taking = Taking(data)
    signature, body = taking.text(), taking.rest()
    assert verify_hmac_sha256(body, signature, SECRET) is False
