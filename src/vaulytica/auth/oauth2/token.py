"""A token, read from the token endpoint's answer; what is no token is an `AuthFailure`."""

from __future__ import annotations

import json
from dataclasses import dataclass

from vaulytica.delivery.outcome import Deferred, outcome_of_status
from vaulytica.delivery.request import Response, checked_header
from vaulytica.errors import AuthFailure, WebhookConfigError

EARLY = 60.0  # seconds before its end at which a token is renewed: the guide's 1-minute buffer
LONGEST = 366 * 86400  # seconds; a token said to live longer is renewed by then
_ERROR_CODES = frozenset({  # RFC 6749, 5.2 and 4.1.2.1; RFC 8707, 2
    "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "access_denied",
    "unsupported_grant_type", "invalid_scope", "server_error", "temporarily_unavailable",
    "invalid_target",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Token:
    """Its text, and when it is to be renewed, in seconds since 1970."""

    value: str
    use_until: float

    def __repr__(self) -> str:
        return f"Token(***, {self.use_until})"


def token_of(response: Response, now: float) -> Token:
    """The token in an answer; raises `AuthFailure`, which another try may help only after some."""
    if response.status != 200:
        later = isinstance(outcome_of_status(response), Deferred)
        raise AuthFailure(
            f"no token: the token endpoint answered HTTP {response.status}{_error_code(response)}",
            retryable=later,
            retry_after=response.retry_after(now) if later else None,
        )
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
    return Token(value, now + (life - EARLY if life > EARLY else life / 2))


def _error_code(response: Response) -> str:
    """RFC 6749's `error`, if the answer has one: never other words, which may repeat the request."""
    try:
        code = json.loads(response.body)["error"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return f" ({code})" if isinstance(code, str) and code in _ERROR_CODES else ""
