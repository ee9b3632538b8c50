"""What auth schemes have in common that add one header, always the same."""

from __future__ import annotations

from collections.abc import Sequence

from vaulytica.delivery.ports import Flow, Send
from vaulytica.delivery.redaction import HoldsSecrets
from vaulytica.delivery.request import Request, Response, checked_header
from vaulytica.errors import WebhookConfigError


class FixedHeaderAuth(HoldsSecrets):
    """Adds one header; `secrets` are the texts in it that must never show."""

    name: str

    def __init__(self, header: str, value: str, secrets: Sequence[str]) -> None:
        self._header = checked_header(header, value, "auth header")
        self._secrets = tuple(secrets)
        self.header_names: tuple[str, ...] = (header,)

    def flow(self, request: Request, now: float) -> Flow[Response]:
        """Send with the header."""
        response: Response = yield Send(request.with_headers(self._header))
        return response

    def secrets(self) -> Sequence[str]:
        """The credentials, as given and as they stand in the header."""
        return self._secrets

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._header[0]}: ***)"


def needed(what: str, value: str | None) -> str:
    """The value, if there is one: a scheme without its secret would send events unauthenticated."""
    if not isinstance(value, str) or not value.strip():
        raise WebhookConfigError(f"{what} is missing or empty")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise WebhookConfigError(f"{what} is not valid Unicode") from None
    return value
