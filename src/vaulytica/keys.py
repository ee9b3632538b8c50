"""The keys of Standard Webhooks as they are written down: `whsec_`, `whsk_` and `whpk_`, each before base64.

A `whsk_` holds the 64 bytes that libsodium calls a secret key (seed, then public key), or the seed alone.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from vaulytica.errors import WebhookConfigError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

SYMMETRIC, PRIVATE, PUBLIC = "whsec_", "whsk_", "whpk_"
_SHORTEST, _LONGEST = 24, 64  # bytes of a symmetric key, as the specification has it
_SEED = 32  # bytes of an ed25519 seed, and of a public key (RFC 8032)


def symmetric_key(text: str, what: str) -> bytes:
    """The key of a `whsec_…`; `what` names the setting in errors, which repeat nothing of the key."""
    key = _decoded(text, SYMMETRIC, what)
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise WebhookConfigError(
            f"{what}: a {SYMMETRIC} key has {_SHORTEST} to {_LONGEST} bytes, this one {len(key)}"
        )
    return key


def private_key(text: str, what: str) -> Ed25519PrivateKey:
    """The ed25519 key of a `whsk_…`, which signs."""
    key = _decoded(text, PRIVATE, what)
    if len(key) not in (_SEED, 2 * _SEED):
        raise WebhookConfigError(
            f"{what}: a {PRIVATE} key has {2 * _SEED} bytes (or {_SEED}, the seed alone), "
            f"this one {len(key)}"
        )
    _needs_cryptography(what)
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.from_private_bytes(key[:_SEED])
    if key[_SEED:] not in (b"", private.public_key().public_bytes_raw()):
        raise WebhookConfigError(f"{what}: the halves of the {PRIVATE} key are not of one pair")
    return private


def public_key(text: str, what: str) -> Ed25519PublicKey:
    """The ed25519 key of a `whpk_…`, which verifies."""
    key = _decoded(text, PUBLIC, what)
    if len(key) != _SEED:
        raise WebhookConfigError(f"{what}: a {PUBLIC} key has {_SEED} bytes, this one {len(key)}")
    _needs_cryptography(what)
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(key)


def text_key(text: str, what: str) -> bytes:
    """The key of schemes that take a secret as the text it is; a key of a pair is no shared secret."""
    if text.strip().startswith((PUBLIC, PRIVATE)):
        raise WebhookConfigError(
            f"{what}: a {PUBLIC} or {PRIVATE} key is for standard_webhooks, and no shared secret"
        )
    return text.encode("utf-8")


def _decoded(text: str, prefix: str, what: str) -> bytes:
    encoded = text.strip().removeprefix(prefix).rstrip("=")
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        raise WebhookConfigError(f"{what}: what follows {prefix} is not base64") from None


def _needs_cryptography(what: str) -> None:
    try:
        import cryptography  # noqa: F401 - only whether it is there
    except ImportError:
        raise WebhookConfigError(
            f"{what}: ed25519 keys need the package cryptography; "
            "pip install 'vaulytica[signatures]'"
        ) from None
