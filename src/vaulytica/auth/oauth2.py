"""OAuth2 client credentials (RFC 6749, 4.4): a token fetched, kept, renewed in time, and once on 401."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from vaulytica.auth.fixed import needed
from vaulytica.delivery.outcome import Deferred, outcome_of_status
from vaulytica.delivery.ports import Flow, alone, send
from vaulytica.delivery.redaction import HoldsSecrets
from vaulytica.delivery.request import Request, Response, checked_header
from vaulytica.errors import AuthFailure, TransportFailure, WebhookConfigError

EARLY = 60.0  # seconds before its end at which a token is renewed: the guide's 1-minute buffer
_ERROR_CODES = frozenset({  # RFC 6749, 5.2 and 4.1.2.1
    "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "access_denied",
    "unsupported_grant_type", "invalid_scope", "server_error", "temporarily_unavailable",
})  # fmt: skip
LONGEST = 366 * 86400  # seconds; a token said to live longer is renewed by then


@dataclass(frozen=True, slots=True)
class _Token:
    value: str
    use_until: float


class OAuth2Auth(HoldsSecrets):
    """`Authorization: Bearer <token>`; without a token nothing is sent: `AuthFailure`."""

    name = "oauth2"
    header_names: tuple[str, ...] = ("Authorization",)

    def __init__(
        self,
        token_url: str | None,
        client_id: str | None,
        client_secret: str | None,
        *,
        timeout: float = 30.0,
    ) -> None:
        self._secret = needed("oauth2_client_secret", client_secret)
        form = {
            "grant_type": "client_credentials",
            "client_id": needed("oauth2_client_id", client_id),
            "client_secret": self._secret,
        }
        self._request = Request(
            needed("oauth2_token_url", token_url),
            (
                ("Content-Type", "application/x-www-form-urlencoded"),
                ("Accept", "application/json"),
            ),
            urlencode(form).encode("ascii"),
            timeout,
        )
        self.urls: tuple[str, ...] = (self._request.url,)
        self._token: _Token | None = None
        self._tokens: deque[str] = deque(maxlen=4)  # answers to old ones may still be on their way
        self._failure: AuthFailure | None = None
        self._fetches = 0

    def flow(self, request: Request, now: float) -> Flow[Response]:
        """Send with the token; on 401 drop that token, fetch once, send once more."""
        token = yield from self._current(now)
        response = yield from send(_with_token(request, token))
        if response.status != 401:
            return response
        if self._token is token:  # else another caller has renewed it already
            self._token = None
        token = yield from self._current(now)
        return (yield from send(_with_token(request, token)))

    def secrets(self) -> Sequence[str]:
        """The client's secret; the token, and those it took the place of."""
        return (self._secret, *self._tokens)

    def _current(self, now: float) -> Flow[_Token]:
        token = self._token
        if token is not None and now < token.use_until:
            return token
        return (yield from alone(self._fetch(now, self._fetches)))

    def _fetch(self, now: float, fetches_seen: int) -> Flow[_Token]:
        """Fetch a token, unless another caller has tried since this one asked: its answer is ours too."""
        if self._fetches == fetches_seen:
            try:
                self._token, self._failure = (yield from self._fetched(now)), None
                self._tokens.append(self._token.value)
            except AuthFailure as failure:
                self._token, self._failure = None, failure
            self._fetches += 1
        if self._failure is not None:
            raise self._failure.again()
        if self._token is None:  # fetched by another, and dropped by a third since
            return (yield from self._fetch(now, self._fetches))
        return self._token

    def _fetched(self, now: float) -> Flow[_Token]:
        try:
            response = yield from send(self._request)
        except TransportFailure as failure:
            raise AuthFailure(
                f"no token: the token endpoint did not answer: {failure}",
                retryable=failure.retryable,
                cause=failure.kind,
            ) from None
        outcome = outcome_of_status(response)
        if response.status != 200:
            later = isinstance(outcome, Deferred)
            raise AuthFailure(
                f"no token: the token endpoint answered HTTP {response.status}{_error_code(response)}",
                retryable=later,
                retry_after=response.retry_after(now) if later else None,
            )
        return _parsed(response, now)

    def __repr__(self) -> str:
        return "OAuth2Auth(***)"


def _with_token(request: Request, token: _Token) -> Request:
    return request.with_headers(("Authorization", f"Bearer {token.value}"))


def _error_code(response: Response) -> str:
    """RFC 6749's `error`, if the answer has one: never other words, which may repeat the request."""
    try:
        code = json.loads(response.body)["error"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return f" ({code})" if isinstance(code, str) and code in _ERROR_CODES else ""


def _parsed(response: Response, now: float) -> _Token:
    try:
        answer = json.loads(response.body)
    except (ValueError, RecursionError):
        raise AuthFailure("no token: the token endpoint's answer is not JSON") from None
    if not isinstance(answer, dict):
        raise AuthFailure("no token: the token endpoint's answer is not a JSON object")
    value, kind, life = (answer.get(k) for k in ("access_token", "token_type", "expires_in"))
    if not isinstance(value, str) or not value.strip():
        raise AuthFailure("no token: the token endpoint's answer has no access_token")
    if kind is not None and (not isinstance(kind, str) or kind.lower() != "bearer"):
        raise AuthFailure("no token: the token endpoint gave a token that is not a bearer token")
    if isinstance(life, bool) or not isinstance(life, (int, float)) or not life > 0:
        raise AuthFailure(
            "no token: the token endpoint's expires_in must be a number of seconds above 0"
        )
    try:
        checked_header("Authorization", value, "token")
    except WebhookConfigError:
        raise AuthFailure("no token: the token cannot stand in a header") from None
    life = float(min(life, LONGEST))
    return _Token(value, now + (life - EARLY if life > EARLY else life / 2))
