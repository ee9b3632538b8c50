"""Grants: what a token request says, and how it proves who asks."""

from __future__ import annotations

import base64
import json
import re
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from vaulytica.auth.fixed import needed
from vaulytica.auth.oauth2.assertion import Signer
from vaulytica.delivery.request import Header, Request
from vaulytica.errors import WebhookConfigError
from vaulytica.urls import checked_url, is_credential, split_userinfo

Params = Mapping[str, str | Sequence[str]]

CLIENT_AUTHS = ("client_secret_post", "client_secret_basic", "private_key_jwt", "tls_client_auth")
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"  # RFC 7523, 2.1
_JWT_CLIENT = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"  # RFC 7523, 2.2
_CLIENT_LIFE = 300  # seconds an assertion of a client holds: enough for clocks that differ a bit
_ACCOUNT_LIFE = 3600  # the most that Google allows, which is also how long its tokens live
_KEPT = 4  # assertions, whose echo in an answer may still be on its way
_OURS = frozenset({
    "grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type",
    "assertion", "scope", "audience",
})  # fmt: skip
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*")  # RFC 6749, 3.3


class Grant(Protocol):
    """Makes token requests for one URL."""

    url: str

    def ask(self, now: float) -> tuple[dict[str, Any], tuple[Header, ...]]:
        """What goes into the form, and the headers to add."""

    def secrets(self) -> Sequence[str]:
        """What of it must never show."""


def token_request(grant: Grant, params: dict[str, Any], now: float, timeout: float) -> Request:
    """The request for a token: a form (RFC 6749, 4.4.2)."""
    form, headers = grant.ask(now)
    return Request(
        grant.url,
        (
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Accept", "application/json"),
            *headers,
        ),
        urlencode(form | params, doseq=True).encode("ascii"),
        timeout,
    )


class ClientSecret:
    """The client's secret, in the form or as Basic authentication (RFC 6749, 2.3.1)."""

    def __init__(
        self, url: str | None, client_id: str | None, secret: str | None, *, basic: bool
    ) -> None:
        self._secret = needed("oauth2_client_secret", secret)
        self._id = needed("oauth2_client_id", client_id)
        self.url = needed("oauth2_token_url", url)
        # Each is form-encoded first, so that neither can hold a colon nor anything but ASCII. A space
        # is %20, which every server reads as one; "+" is taken for a plus by some.
        pair = f"{quote(self._id, safe='')}:{quote(self._secret, safe='')}"
        self._basic = base64.b64encode(pair.encode("ascii")).decode("ascii") if basic else None

    def ask(self, now: float) -> tuple[dict[str, Any], tuple[Header, ...]]:
        """The same every time."""
        form = {"grant_type": "client_credentials"}
        if self._basic is not None:
            return form, (("Authorization", f"Basic {self._basic}"),)
        return form | {"client_id": self._id, "client_secret": self._secret}, ()

    def secrets(self) -> Sequence[str]:
        """The secret, and the form it has in a header."""
        return (self._secret,) if self._basic is None else (self._secret, self._basic)


class ClientKey:
    """A private key: each request holds an assertion signed with it (RFC 7523, 2.2)."""

    def __init__(
        self,
        url: str | None,
        client_id: str | None,
        private_key: str | None,
        key_id: str | None,
        audience: str | None,
    ) -> None:
        self._pem = needed("oauth2_private_key", private_key)
        self._signer = Signer("oauth2_private_key", self._pem, _text("oauth2_key_id", key_id))
        self._id = needed("oauth2_client_id", client_id)
        self.url = needed("oauth2_token_url", url)
        self._audience = _text("oauth2_assertion_audience", audience) or self.url
        self._made: deque[str] = deque(maxlen=_KEPT)

    def ask(self, now: float) -> tuple[dict[str, Any], tuple[Header, ...]]:
        """With a new assertion."""
        made = self._signer.sign(self._id, self._audience, now, _CLIENT_LIFE, sub=self._id)
        self._made.append(made)
        form = {"grant_type": "client_credentials", "client_id": self._id}
        return form | {"client_assertion_type": _JWT_CLIENT, "client_assertion": made}, ()

    def secrets(self) -> Sequence[str]:
        """The key, and assertions that may still hold."""
        return (self._pem, *self._made)


class ClientCertificate:
    """The client's certificate, shown by the transport (RFC 8705, 2)."""

    def __init__(self, url: str | None, client_id: str | None) -> None:
        self._id = needed("oauth2_client_id", client_id)
        self.url = needed("oauth2_token_url", url)
        if not self.url.lower().startswith("https://"):
            raise WebhookConfigError("oauth2_token_url must be https for tls_client_auth")

    def ask(self, now: float) -> tuple[dict[str, Any], tuple[Header, ...]]:
        """The client's name only."""
        return {"grant_type": "client_credentials", "client_id": self._id}, ()

    def secrets(self) -> Sequence[str]:
        """There are none here."""
        return ()


class ServiceAccount:
    """A service account's key file, as Google gives it: an assertion is the grant (RFC 7523, 2.1)."""

    def __init__(self, key_file: str, scope: str | None) -> None:
        what = "oauth2_service_account"
        try:
            key = json.loads(needed(what, key_file))
        except (ValueError, RecursionError):
            raise WebhookConfigError(f"{what} is not the JSON of a key file") from None
        if not isinstance(key, dict) or key.get("type") != "service_account":
            raise WebhookConfigError(f'{what} is no key file of type "service_account"')
        names = ("client_email", "private_key", "token_uri")
        self._email, self._pem, url = (needed(f"{what}: {n}", key.get(n)) for n in names)
        self.url = checked_url(url, f"{what}: token_uri")
        if split_userinfo(self.url)[1] is not None:
            raise WebhookConfigError(f"{what}: token_uri must not hold userinfo")
        key_id = _text(f"{what}: private_key_id", key.get("private_key_id"))
        self._signer = Signer(f"{what}: private_key", self._pem, key_id)
        self._scope = needed("oauth2_scope", scope)
        self._made: deque[str] = deque(maxlen=_KEPT)

    def ask(self, now: float) -> tuple[dict[str, Any], tuple[Header, ...]]:
        """With a new assertion, which names the scope."""
        made = self._signer.sign(self._email, self.url, now, _ACCOUNT_LIFE, scope=self._scope)
        self._made.append(made)
        return {"grant_type": JWT_BEARER, "assertion": made}, ()

    def secrets(self) -> Sequence[str]:
        """The key, and assertions that may still hold."""
        return (self._pem, *self._made)


def checked_params(
    scope: str | None, audience: str | None, params: Params | None
) -> dict[str, str | list[str]]:
    """What a token request says besides the grant; raises `WebhookConfigError`."""
    form: dict[str, str | list[str]] = {}
    if _text("oauth2_scope", scope) is not None:
        assert scope is not None
        if not _SCOPE.fullmatch(scope):
            raise WebhookConfigError("oauth2_scope must be names of ASCII with one space between")
        form["scope"] = scope
    if _text("oauth2_audience", audience) is not None:
        assert audience is not None
        form["audience"] = audience
    for name, value in (params or {}).items():
        if name in _OURS:
            raise WebhookConfigError(f"oauth2_params: {name} has a setting of its own")
        values = [value] if isinstance(value, str) else list(value)
        form[needed("oauth2_params: a name", name)] = [
            needed("oauth2_params: a value", each) for each in values
        ]
    return form


def param_secrets(params: Params | None) -> list[str]:
    """The values of those extra parameters whose name is a credential's."""
    given = [(name, [v] if isinstance(v, str) else v) for name, v in (params or {}).items()]
    return [value for name, values in given if is_credential(name) for value in values]


def _text(what: str, value: str | None) -> str | None:
    return None if value is None else needed(what, value)
