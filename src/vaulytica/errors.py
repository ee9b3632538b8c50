"""Everything that can go wrong, by kind: what callers catch, and what the parts tell each other."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum

_LONGEST_WORD = 64  # what is longer is no name that somebody has misspelt
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def one_line(text: str) -> str:
    """Control characters, line ends and direction marks become spaces: safe in a log and a terminal."""
    return " ".join(_CONTROL.sub(" ", text).split())


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint at the known word that is most like it, to end a line with; empty if none is."""
    from difflib import get_close_matches

    if len(word) > _LONGEST_WORD:
        return ""
    words = {str(one).lower(): str(one) for one in known}
    near = get_close_matches(word.lower(), words, n=1)
    return f"; did you mean {words[near[0]]}?" if near else ""


class WebhookError(Exception):
    """Base of all errors raised to callers; `str()` is one line, free of secrets.

    `attempts` requests were made; `status` is the destination's last HTTP status, if it answered.
    """

    kind = "error"

    def __init__(
        self,
        message: str,
        *,
        attempts: int = 0,
        status: int | None = None,
        event_id: str | None = None,
    ) -> None:
        super().__init__(one_line(message))
        self.attempts = attempts
        self.status = status
        self.event_id = event_id


class WebhookConfigError(WebhookError, ValueError):
    """A setting is wrong; raised when the config or the sender is built.

    `problems`: of a model's settings, the keys that lead to each that is wrong, and what of it.
    `lines`: of a config file, all that is wrong with it, a line each.
    """

    kind = "config"
    problems: tuple[tuple[tuple[str | int, ...], str], ...] = ()
    lines: tuple[str, ...] = ()


class WebhookEventError(WebhookError, ValueError):
    """This event cannot be sent as it is: bad severity, NaN, too large, a template that fails…"""

    kind = "event"


class WebhookAuthError(WebhookError):
    """The destination refused our credentials (401, 403, 407), or no token could be had."""

    kind = "auth"


class WebhookRejectedError(WebhookError):
    """The destination answered, and will never take this event (other 4xx, 501, 505, redirects)."""

    kind = "rejected"


class WebhookTLSError(WebhookError):
    """No trusted TLS connection: wrong name, expired or unknown certificate, old protocol. Not retried."""

    kind = "tls"


class WebhookEgressError(WebhookError):
    """The egress policy refuses the address that the URL leads to; nothing was sent. Not retried."""

    kind = "egress"


class WebhookExhaustedError(WebhookError):
    """Every attempt allowed by the retry policy failed; the event may be sent again later."""

    kind = "exhausted"


class OutboxError(WebhookError):
    """The outbox cannot do what was asked; nothing of it was done. The text names the file and a way out."""

    kind = "outbox"


class OutboxDamagedError(OutboxError):
    """What is on disk cannot be read as it was written; `vaulytica outbox recover` saves what can be."""


class OutboxInUseError(OutboxError):
    """Another relay owns the outbox, or another program has held its lock for too long."""


class IdempotencyConflictError(OutboxError):
    """An idempotency key was used again, for something else than the first time; that is not kept."""


class SignatureProblem(StrEnum):
    """Why a request that was received is not taken."""

    MISSING = "missing"  # a header is
    MALFORMED = "malformed"
    OUTSIDE_TOLERANCE = "outside tolerance"
    NO_MATCH = "no match"
    REPLAYED = "replayed"  # it has been handled before
    IN_PROGRESS = "in progress"  # it is being handled now


_ANSWERS = {
    SignatureProblem.MALFORMED: 400,
    SignatureProblem.REPLAYED: 200,  # its sender has missed the answer: another 2xx ends its retries
    SignatureProblem.IN_PROGRESS: 425,  # "Too Early" (RFC 8470): it may come again
}


class SignatureError(WebhookError):
    """A request that was received is not signed as it should be, or has been received before.

    `status` is the HTTP status to answer with.
    """

    kind = "signature"

    def __init__(self, problem: SignatureProblem, message: str) -> None:
        super().__init__(message, status=_ANSWERS.get(problem, 401))
        self.problem = problem

    def __reduce__(self) -> tuple[type[SignatureError], tuple[SignatureProblem, str]]:
        return type(self), (self.problem, str(self))


class WebhookSecurityWarning(UserWarning):
    """A protection was switched off on purpose (`verify_ssl=False`)."""


class FailureKind(StrEnum):
    """At which step a request broke before there was an answer."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    PROXY = "proxy"
    BROKEN = "broken"  # the connection ended or spoke something else than HTTP
    REQUEST = "request"  # the request itself could not be made
    EGRESS = "egress"  # the policy refuses the address


class Failure(Exception):
    """What a driver throws into a flow, instead of giving it the answer it asked for."""


class TransportFailure(Failure):
    """A transport tells the flow that no (whole) answer came. `retryable`: another try may help."""

    def __init__(self, kind: FailureKind, message: str, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.kind = kind
        self.retryable = retryable

    def again(self) -> TransportFailure:
        """A copy to raise; see `AuthFailure.again`."""
        return TransportFailure(self.kind, str(self), retryable=self.retryable)


class AuthFailure(Failure):
    """An auth scheme tells the flow that it has no credentials to send; nothing was sent.

    `cause`: where a request for them broke, if one did.
    """

    def __init__(
        self,
        message: str,
        *,
        retryable: bool = False,
        retry_after: float | None = None,
        cause: FailureKind | None = None,
    ) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after = retry_after
        self.cause = cause

    def again(self) -> AuthFailure:
        """A copy to raise: one exception raised by many callers would gather all their tracebacks."""
        return AuthFailure(
            str(self),
            retryable=self.retryable,
            retry_after=self.retry_after,
            cause=self.cause,
        )
