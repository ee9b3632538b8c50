"""What auth schemes have in common that sign each request: over the bytes sent, anew at each attempt."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from vaulytica.auth.fixed import needed
from vaulytica.delivery.ports import Flow, Send
from vaulytica.delivery.redaction import HoldsSecrets
from vaulytica.delivery.request import Header, Request, Response
from vaulytica.errors import WebhookConfigError

MOST_SECRETS = 8  # that sign at a time; two are enough to rotate


class SignatureAuth(HoldsSecrets):
    """Adds `signature_headers`; `secrets` are the keys as texts, which must never show."""

    name: str
    header_names: tuple[str, ...]
    travels = False  # no secret does

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = tuple(secrets)

    def flow(self, request: Request, now: float) -> Flow[Response]:
        """Sign and send."""
        headers = self.signature_headers(request, now)
        response: Response = yield Send(request.with_headers(*headers))
        return response

    def signature_headers(self, request: Request, now: float) -> tuple[Header, ...]:
        """The headers that `header_names` names, in that order."""
        raise NotImplementedError

    def secrets(self) -> Sequence[str]:
        """The keys; a signature tells nothing of them."""
        return self._secrets

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self.header_names)})"


class KeyedHash:
    """HMAC-SHA256 with a key that is digested once, not for every event."""

    __slots__ = ("_keyed",)

    def __init__(self, key: bytes) -> None:
        self._keyed = hmac.new(key, digestmod=hashlib.sha256)

    def hex(self, *parts: bytes) -> str:
        """Of these parts as one."""
        return self._signed(parts).hexdigest()

    def digest(self, *parts: bytes) -> bytes:
        """The same as bytes."""
        return self._signed(parts).digest()

    def _signed(self, parts: Sequence[bytes]) -> hmac.HMAC:
        signer = self._keyed.copy()
        for part in parts:
            signer.update(part)
        return signer


def one_secret(scheme: str, secret: str | Sequence[str] | None) -> str:
    """The only secret: in schemes whose receivers look at one signature, a second would never be seen."""
    if isinstance(secret, (list, tuple)) and secret:
        raise WebhookConfigError(
            f"hmac_secret must be one secret, not a list: receivers of {scheme} look at one signature; "
            "to rotate, have the receiver accept both keys first"
        )
    return needed("hmac_secret", secret)  # type: ignore[arg-type] # which checks the type


def several_secrets(secret: str | Sequence[str] | None) -> tuple[str, ...]:
    """All secrets, one or a list of them; each must be there."""
    given = tuple(secret) if isinstance(secret, (list, tuple)) and secret else (secret,)
    if len(given) > MOST_SECRETS:
        raise WebhookConfigError(f"hmac_secret: at most {MOST_SECRETS} secrets sign at a time")
    return tuple(needed("hmac_secret", one) for one in given)
