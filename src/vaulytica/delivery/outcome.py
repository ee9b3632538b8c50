"""Outcome: what became of one event in an attempt; and Report: all outcomes of a call."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec

from vaulytica.delivery.request import Response
from vaulytica.errors import (
    WebhookAuthError,
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
    THROTTLED = "throttled"  # later: the destination is busy
    SERVER = "server"  # later: the destination has a fault
    UNREACHABLE = "unreachable"  # later: no connection, or it broke
    TIMEOUT = "timeout"  # later: no answer in time
    NOT_SENT = "not_sent"  # no attempt was made: the destination is down, or the call was stopped


class Reason(msgspec.Struct, frozen=True):
    """Why an event is not delivered: one line of text, and the HTTP status if there was an answer."""

    kind: ReasonKind
    text: str
    status: int | None = None


class Delivered(msgspec.Struct, frozen=True):
    """The destination has taken the event."""

    status: int


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
    def reason(self) -> Reason | None:
        """Why it is not delivered; None if it is."""
        return None if isinstance(self.outcome, Delivered) else self.outcome.reason


class Report(int):
    """All outcomes of a call, in the order of the events; as an int, how many were delivered."""

    results: tuple[Result, ...]

    def __new__(cls, results: Iterable[Result]) -> Self:
        """Put the results in the order of the events, and count."""
        ordered = tuple(sorted(results, key=lambda result: result.position))
        report = super().__new__(cls, sum(result.delivered for result in ordered))
        report.results = ordered
        return report

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.results,)

    @property
    def rejected(self) -> list[Result]:
        """The events that will never be taken as they are."""
        return [r for r in self.results if isinstance(r.outcome, Rejected)]

    @property
    def deferred(self) -> list[Result]:
        """The events that may be sent again later."""
        return [r for r in self.results if isinstance(r.outcome, Deferred)]

    @property
    def attempts(self) -> int:
        """Requests made, counted for each event."""
        return sum(result.attempts for result in self.results)

    def __str__(self) -> str:
        return int.__repr__(self)  # so that f"{report}/{len(events)}" counts, as in the guide

    def __repr__(self) -> str:
        return (
            f"Report(delivered={int(self)}, rejected={len(self.rejected)}, "
            f"deferred={len(self.deferred)})"
        )


# --- What a caller of `send_event` is told.

_ERRORS: dict[ReasonKind, type[WebhookError]] = {
    ReasonKind.EVENT: WebhookEventError,
    ReasonKind.AUTH: WebhookAuthError,
    ReasonKind.TLS: WebhookTLSError,
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


def outcome_of_status(response: Response) -> Outcome:
    """2xx delivered; 408, 425, 429, 5xx but 501 and 505 deferred; redirects and the rest rejected."""
    status = response.status
    if 200 <= status < 300:
        return Delivered(status)
    text = f"HTTP {status}{_words(response)}"
    if status in _LATER or (500 <= status < 600 and status not in _NEVER):
        kind = ReasonKind.THROTTLED if status in (429, 503) else ReasonKind.SERVER
        return Deferred(Reason(kind, text, status))
    if status in _AUTH:
        return Rejected(Reason(ReasonKind.AUTH, text, status))
    if 300 <= status < 400:
        text = f"HTTP {status}, a redirect to {_location_host(response)}, which is not followed"
    return Rejected(Reason(ReasonKind.REJECTED, text, status))


def _words(response: Response) -> str:
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
