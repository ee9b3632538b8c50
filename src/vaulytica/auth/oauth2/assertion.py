"""Assertions: short-lived signed JWTs with which a client shows that it has a private key (RFC 7523)."""

from __future__ import annotations

import uuid
from typing import Any

from vaulytica.errors import WebhookConfigError

_FEWEST_RSA_BITS = 2048  # RFC 7518, 3.3
_OF_CURVE = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


class Signer:
    """Signs claims with a private key in PEM; by the kind of key: RS256, ES256 (384, 512), EdDSA."""

    def __init__(self, what: str, pem: str, key_id: str | None) -> None:
        self._key, self._algorithm = _loaded(what, pem)
        self._headers = {} if key_id is None else {"kid": key_id}

    def sign(self, issuer: str, audience: str, now: float, life: int, **claims: str) -> str:
        """An assertion that holds for `life` seconds, and has an id of its own."""
        import jwt

        issued = int(now)
        claims |= {"iss": issuer, "aud": audience, "jti": str(uuid.uuid4())}
        return jwt.encode(
            {**claims, "iat": issued, "exp": issued + life},
            self._key,
            self._algorithm,
            headers=self._headers,
        )


def _loaded(what: str, pem: str) -> tuple[Any, str]:
    """The key and the algorithm for it; errors name the setting and repeat nothing of it."""
    try:
        import jwt  # noqa: F401 - to find out now, and not at the first event
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError:
        raise WebhookConfigError(
            f'{what} needs packages that are not installed: pip install "vaulytica[oauth2]"'
        ) from None
    try:
        key = load_pem_private_key(pem.encode("utf-8"), None)
    except TypeError:
        raise WebhookConfigError(f"{what} is encrypted; give the key without a password") from None
    except Exception:  # noqa: BLE001 - OpenSSL's kinds of errors are many
        raise WebhookConfigError(f"{what} is no private key in PEM") from None
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size < _FEWEST_RSA_BITS:
            raise WebhookConfigError(f"{what}: an RSA key needs {_FEWEST_RSA_BITS} bits or more")
        return key, "RS256"
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _OF_CURVE:
        return key, _OF_CURVE[key.curve.name]
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key, "EdDSA"
    raise WebhookConfigError(f"{what} must be an RSA, P-256, P-384, P-521 or Ed25519 key")
