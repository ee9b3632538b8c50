"""OAuth2: a token fetched, kept, renewed in time, and once on 401 (RFC 6749, 6750)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from vaulytica.auth.oauth2.grants import (
    CLIENT_AUTHS,
    ClientCertificate,
    ClientKey,
    ClientSecret,
    Grant,
    Params,
    ServiceAccount,
    checked_params,
    param_secrets,
    token_request,
)
from vaulytica.auth.oauth2.token import Token, token_of
from vaulytica.auth.shared import Shared
from vaulytica.delivery.ports import Flow, send
from vaulytica.delivery.redaction import HoldsSecrets
from vaulytica.delivery.request import Request, Response
from vaulytica.errors import AuthFailure, TransportFailure, WebhookConfigError, did_you_mean


class OAuth2Auth(HoldsSecrets):
    """`Authorization: Bearer <token>`; without a token nothing is sent: `AuthFailure`.

    Who asks for the token is a client, which proves itself as `client_auth` says, or a service account.
    """

    name = "oauth2"
    header_names: tuple[str, ...] = ("Authorization",)

    def __init__(
        self,
        token_url: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        *,
        client_auth: str | None = None,
        private_key: str | None = None,
        key_id: str | None = None,
        assertion_audience: str | None = None,
        service_account: str | None = None,
        scope: str | None = None,
        audience: str | None = None,
        params: Params | None = None,
        timeout: float = 30.0,
    ) -> None:
        client = {
            "oauth2_token_url": token_url,
            "oauth2_client_id": client_id,
            "oauth2_client_secret": client_secret,
            "oauth2_private_key": private_key,
            "oauth2_key_id": key_id,
            "oauth2_assertion_audience": assertion_audience,
        }
        self._params = checked_params(scope, audience, params)
        self._secrets = param_secrets(params)
        if service_account is None:
            self._grant = _client(client, client_auth)
        else:
            _refuse_unused(client | {"oauth2_client_auth": client_auth}, (), "a service account")
            self._grant = ServiceAccount(service_account, scope)
            self._params.pop("scope", None)  # it is in the assertion
        self._timeout = timeout
        self.urls: tuple[str, ...] = (self._grant.url,)
        self._token: Shared[Token] = Shared()
        self._tokens: deque[str] = deque(maxlen=4)  # answers to old ones may still be on their way

    def flow(self, request: Request, now: float) -> Flow[Response]:
        """Send with the token; on 401 drop that token, fetch once, send once more."""
        token = yield from self._current(now)
        response = yield from send(_with_token(request, token))
        if response.status != 401:
            return response
        self._token.drop(token)
        token = yield from self._current(now)
        return (yield from send(_with_token(request, token)))

    def secrets(self) -> Sequence[str]:
        """What the client proves itself with; the token, and those it took the place of."""
        return (*self._grant.secrets(), *self._secrets, *self._tokens)

    def _current(self, now: float) -> Flow[Token]:
        token = self._token.value
        if token is not None and now < token.use_until:
            return token
        return (yield from self._token.fetch(lambda: self._fetched(now)))

    def _fetched(self, now: float) -> Flow[Token]:
        try:
            response = yield from send(token_request(self._grant, self._params, now, self._timeout))
        except TransportFailure as failure:
            raise AuthFailure(
                f"no token: the token endpoint did not answer: {failure}",
                retryable=failure.retryable,
                cause=failure.kind,
            ) from None
        token = token_of(response, now)
        self._tokens.append(token.value)
        return token

    def __repr__(self) -> str:
        return "OAuth2Auth(***)"


# What each way of proving oneself needs besides the token URL and the client's name.
_USES = {
    "client_secret_post": ("oauth2_client_secret",),
    "client_secret_basic": ("oauth2_client_secret",),
    "private_key_jwt": ("oauth2_private_key", "oauth2_key_id", "oauth2_assertion_audience"),
    "tls_client_auth": (),
}


def _client(given: dict[str, str | None], how: str | None) -> Grant:
    how = "client_secret_post" if how is None else how
    if how not in CLIENT_AUTHS:
        raise WebhookConfigError(
            f"oauth2_client_auth must be one of {', '.join(CLIENT_AUTHS)}"
            f"{did_you_mean(str(how), CLIENT_AUTHS)}"
        )
    url, name = given["oauth2_token_url"], given["oauth2_client_id"]
    uses = ("oauth2_token_url", "oauth2_client_id", *_USES[how])
    _refuse_unused(given, uses, f"oauth2_client_auth {how}")
    if how == "private_key_jwt":
        return ClientKey(url, name, *(given[setting] for setting in _USES[how]))
    if how == "tls_client_auth":
        return ClientCertificate(url, name)
    return ClientSecret(
        url, name, given["oauth2_client_secret"], basic=how == "client_secret_basic"
    )


def _refuse_unused(given: dict[str, str | None], uses: Sequence[str], what: str) -> None:
    for setting, value in given.items():
        if value is not None and setting not in uses:
            raise WebhookConfigError(f"{setting} is given, but {what} has no use for it")


def _with_token(request: Request, token: Token) -> Request:
    return request.with_headers(("Authorization", f"Bearer {token.value}"))
