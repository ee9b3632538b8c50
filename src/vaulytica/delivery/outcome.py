"""Outcome: what became of one event in an attempt; Result: its last one, in a call."""

from __future__ import annotations

from enum import StrEnum
from urllib.parse import urlsplit

import msgspec

from vaulytica.delivery.request import Response
from vaulytica.errors import (
    WebhookAuthError,
    WebhookEgressError,
    WebhookError,
    WebhookEventError,
    WebhookExhaustedError,
    WebhookRejectedError,
    WebhookTLSError,
    one_line,
)

# How much of the destination's own words an error repeats, in characters.
MAX_WORDS = 2048


class ReasonKind(StrEnum):
    """Whose fault it was, and so what to do: it decides the error raised and the advice given."""

    EVENT = "event"  # the event itself cannot be sent
    AUTH = "auth"  # credentials refused, or none to be had
    REJECTED = "rejected"  # the destination will never take it
    TLS = "tls"  # no trusted connection
    EGRESS = "egress"  # the policy refuses the address
    THROTTLED = "throttled"  # later: the destination is busy
    SERVER = "server"  # later: the destination has a fault
    PROXY = "proxy"  # later: the proxy did not do its part; nothing was heard of the destination
    UNREACHABLE = "unreachable"  # later: no connection, or it broke
    TIMEOUT = "timeout"  # later: no answer in time
    TOO_LARGE = "too_large"  # never: the destination takes no request of that size
    UNREAD = "unread"  # at once: the destination stopped at an event before this one
    NOT_SENT = "not_sent"  # no attempt was made: the destination is down, or the call was stopped


class Reason(msgspec.Struct, frozen=True):
    """Why an event is not delivered: one line of text, and the HTTP status if there was an answer.

    `shared`: it was said of the whole request, and which event is at fault is not known; a batch of
    several is then cut in halves, until the one that is at fault stands alone. `of_all`: it was said of
    who sends, and holds for whatever is sent; of most that is plain, of a 403 only a format may know it.
    """

    kind: ReasonKind
    text: str
    status: int | None = None
    shared: bool = False
    of_all: bool = False


class Delivered(msgspec.Struct, frozen=True):
    """The destination has taken the event. `note`: what it said of it all the same.

    `busy`: it took the event, and says that it cannot take many more.
    """

    status: int
    note: str | None = None
    busy: bool = False


class Rejected(msgspec.Struct, frozen=True):
    """The event will never be taken as it is; do not send it again."""

    reason: Reason


class Deferred(msgspec.Struct, frozen=True):
    """Not taken now; another try may do. `retry_after`: the least wait asked for, in seconds."""

    reason: Reason
    retry_after: float | None = None


Outcome = Delivered | Rejected | Deferred


class Result(msgspec.Struct, frozen=True):
    """The outcome of the event at `position` in a call, after `attempts` requests made for it."""

    position: int
    event_id: str | None
    outcome: Outcome
    attempts: int

    @property
    def delivered(self) -> bool:
        """Whether the destination has taken the event."""
        return isinstance(self.outcome, Delivered)

    @property
    def note(self) -> str | None:
        """What the destination said of it, though it has taken it."""
        return self.outcome.note if isinstance(self.outcome, Delivered) else None

    @property
    def reason(self) -> Reason | None:
        """Why it is not delivered; None if it is."""
        return None if isinstance(self.outcome, Delivered) else self.outcome.reason


def are_all(outcomes: list[Outcome], one: Outcome) -> bool:
    """Whether every outcome is this one: most answers speak of the whole batch."""
    return outcomes.count(one) == len(outcomes)


# --- What a caller of `send_event` is told.

_ERRORS: dict[ReasonKind, type[WebhookError]] = {
    ReasonKind.EVENT: WebhookEventError,
    ReasonKind.AUTH: WebhookAuthError,
    ReasonKind.TLS: WebhookTLSError,
    ReasonKind.EGRESS: WebhookEgressError,
}


def error_of(result: Result, where: str) -> WebhookError:
    """The error for an event that is not delivered: what happened, where, after how many attempts."""
    reason = result.reason
    assert reason is not None
    later = isinstance(result.outcome, Deferred)  # its reason tells the attempts
    attempts = "1 attempt" if result.attempts == 1 else f"{result.attempts} attempts"
    what = "event not delivered" if later else f"event rejected after {attempts}"
    kind = _ERRORS.get(reason.kind, WebhookExhaustedError if later else WebhookRejectedError)
    return kind(
        f"{where}: {what}: {reason.text}",
        attempts=result.attempts,
        status=reason.status,
        event_id=result.event_id,
    )


# --- What an HTTP status means for every event of the request, where the body says nothing more.

_LATER = frozenset({408, 425, 429})  # the client errors that pass
_NEVER = frozenset({501, 505})  # the server errors that do not
_AUTH = frozenset({401, 403, 407})
# What one event may have spoilt for all: of 403 and 406, as firewalls answer to a name they dislike.
_OF_THE_BODY = frozenset({400, 403, 406, 415, 422})


def outcome_of_status(response: Response) -> Outcome:
    """2xx delivered; 408, 425, 429, 5xx but 501 and 505 deferred; redirects and the rest rejected."""
    status = response.status
    if 200 <= status < 300:
        return Delivered(status)
    text = f"HTTP {status}{words(response)}"
    if status == 407:  # RFC 9110, 15.5.8: no destination says so
        text = f"HTTP {status}, from the proxy{words(response)}"
    if status in _LATER or (500 <= status < 600 and status not in _NEVER):
        kind = ReasonKind.THROTTLED if status in (429, 503) else ReasonKind.SERVER
        return Deferred(Reason(kind, text, status))
    if status in _AUTH:
        return Rejected(Reason(ReasonKind.AUTH, text, status, shared=status in _OF_THE_BODY))
    if 300 <= status < 400:
        text = f"HTTP {status}, a redirect to {_location_host(response)}, which is not followed"
    if status == 413:
        return Rejected(Reason(ReasonKind.TOO_LARGE, text, status, shared=True))
    return Rejected(Reason(ReasonKind.REJECTED, text, status, shared=status in _OF_THE_BODY))


def words(response: Response) -> str:
    """The destination's own words, on one line."""
    words = one_line(response.body.decode("utf-8", "replace"))
    return f": {words}" if words else ""


def _location_host(response: Response) -> str:
    location = response.header("location")
    if not location:
        return "nowhere (no Location)"
    try:
        host = urlsplit(location).hostname
    except ValueError:
        return "an unreadable place"
    return one_line(host) if host else "another path of the same host"
