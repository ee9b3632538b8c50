"""Headers of one's own making: templates, and the secrets that are put into them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from vaulytica.auth.fixed import needed
from vaulytica.delivery.ports import Flow, Send
from vaulytica.delivery.redaction import HoldsSecrets
from vaulytica.delivery.request import Header, Request, Response, checked_header
from vaulytica.errors import WebhookConfigError

_PLACE = re.compile(r"\{(\w+)\}", re.ASCII)


class HeadersAuth(HoldsSecrets):
    """`Authorization: Token {token}`, and as many more; each `{name}` stands for the secret of that name."""

    name = "headers"

    def __init__(
        self, headers: Mapping[str, str] | None, secrets: Mapping[str, str] | None = None
    ) -> None:
        if not headers or not isinstance(headers, Mapping):
            raise WebhookConfigError("auth_headers is missing or empty")
        if not isinstance(secrets or {}, Mapping):
            raise WebhookConfigError("auth_secrets must be a mapping of names to secrets")
        given = {name: needed("a secret of auth_secrets", s) for name, s in (secrets or {}).items()}
        for name in given:
            if not isinstance(name, str) or not re.fullmatch(r"\w+", name, re.ASCII):
                raise WebhookConfigError(
                    "auth_secrets: a name must be of letters, digits and _, as in {name}"
                )
        used: set[str] = set()
        self._headers = tuple(_made(name, text, given, used) for name, text in headers.items())
        names = [name.lower() for name, _ in self._headers]
        if len(set(names)) < len(names):
            raise WebhookConfigError("auth_headers: a header is given twice")
        if unused := sorted(given.keys() - used):
            raise WebhookConfigError(f"auth_secrets: no header has a place for {{{unused[0]}}}")
        values = [value for _, value in self._headers]
        words = [word for value in values for word in value.split()[1:]]  # less the scheme
        self._secrets = tuple(dict.fromkeys((*given.values(), *values, *words)))
        self.header_names: tuple[str, ...] = tuple(name for name, _ in self._headers)

    def flow(self, request: Request, now: float) -> Flow[Response]:
        """Send with the headers."""
        response: Response = yield Send(request.with_headers(*self._headers))
        return response

    def secrets(self) -> Sequence[str]:
        """The secrets, and the headers' values."""
        return self._secrets

    def __repr__(self) -> str:
        return f"HeadersAuth({', '.join(self.header_names)})"


def _made(name: str, template: str, secrets: Mapping[str, str], used: set[str]) -> Header:
    name, _ = checked_header(name, "", "auth header")
    template = needed(f"the value of auth header {name}", template)
    places = _PLACE.findall(template)
    used.update(places)
    for place in places:
        if place not in secrets:
            raise WebhookConfigError(f"auth header {name}: auth_secrets has no {{{place}}}")
    value = _PLACE.sub(lambda match: secrets[match[1]], template)
    return checked_header(name, value, "auth header")
