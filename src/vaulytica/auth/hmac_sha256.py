"""The guide's signature: hex HMAC-SHA256 of the body, in a header."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from vaulytica.auth.fixed import needed
from vaulytica.delivery.ports import Flow, Send
from vaulytica.delivery.redaction import HoldsSecrets
from vaulytica.delivery.request import Request, Response, checked_header


class HmacSha256Auth(HoldsSecrets):
    """`X-Signature: <hex>` over exactly the bytes that are sent, made anew at each attempt."""

    name = "hmac_sha256"
    travels = False

    def __init__(self, secret: str | None, header: str = "X-Signature") -> None:
        self._secret = needed("hmac_secret", secret)
        self._keyed = hmac.new(self._secret.encode("utf-8"), digestmod=hashlib.sha256)
        self._header, _ = checked_header(header, "", "hmac_header")
        self.header_names: tuple[str, ...] = (header,)

    def flow(self, request: Request, now: float) -> Flow[Response]:
        """Sign and send."""
        signer = self._keyed.copy()  # the key is digested once, not for every event
        signer.update(request.body)
        signature = signer.hexdigest()
        response: Response = yield Send(request.with_headers((self._header, signature)))
        return response

    def secrets(self) -> Sequence[str]:
        """The key; a signature tells nothing of it."""
        return (self._secret,)

    def __repr__(self) -> str:
        return f"HmacSha256Auth({self._header})"
