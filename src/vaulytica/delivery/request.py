"""Request and Response: what is put on the wire and what comes back, as plain values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from vaulytica.errors import FailureKind, TransportFailure, WebhookConfigError

# How much of an answer is read: enough for any error text, little enough for any endless body.
MAX_ANSWER_BYTES = 64 * 1024

_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # a token, RFC 9110 5.6.2
_SECONDS = re.compile(
    r"[0-9]+(\.[0-9]+)?"
)  # a fraction is not HTTP's (RFC 9110, 10.2.3), and is met
_NO_WAIT = 1e9  # seconds: more than that is a moment, not a wait
_MILLISECONDS = 1e11  # a moment beyond that, in the year 5138, is given in milliseconds
_FORBIDDEN_IN_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

Header = tuple[str, str]


class Request(msgspec.Struct, frozen=True):
    """One POST (or GET): headers in order, body as bytes, and the seconds the whole exchange may take.

    `answer_bytes`: how much of the answer is read.
    """

    url: str
    headers: tuple[Header, ...]
    body: bytes
    timeout: float = 30.0
    method: str = "POST"
    answer_bytes: int = MAX_ANSWER_BYTES

    def __repr__(self) -> str:
        return f"Request({len(self.headers)} headers, {len(self.body)} bytes)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:  # rich would show all fields
        return [("headers", len(self.headers)), ("bytes", len(self.body))]

    def with_headers(self, *headers: Header) -> Request:
        """The same request with more headers; the body stays the very same bytes."""
        return Request(
            self.url,
            self.headers + headers,
            self.body,
            self.timeout,
            self.method,
            self.answer_bytes,
        )


class Response:
    """A whole answer. `body` holds at most the request's `answer_bytes`, as sent, never decompressed."""

    __slots__ = ("_given", "_headers", "body", "status")

    def __init__(
        self, status: int, headers: Mapping[str, str] | Iterable[Header] = (), body: bytes = b""
    ) -> None:
        if type(status) is not int or type(body) is not bytes:
            raise TypeError("a Response has an int as status and bytes as body")
        self.status = status
        self.body = body
        self._given = headers
        self._headers: dict[str, list[str]] | None = None  # most answers are never asked for theirs

    def header(self, name: str) -> str | None:
        """The value of a header by its lower-case name; the last one where it is repeated."""
        values = self.all(name)
        return values[-1] if values else None

    def all(self, name: str) -> list[str]:
        """Every value of a header that may be repeated, such as `set-cookie`."""
        if self._headers is None:
            given = self._given
            self._headers = {}
            for key, value in given.items() if isinstance(given, Mapping) else given:
                self._headers.setdefault(key.lower(), []).append(str(value))
        return self._headers.get(name, [])

    def date(self) -> float | None:
        """When the answer was sent, by the sender's clock, in seconds since 1970; None if it does not say."""
        return _http_date(self.header("date") or "")

    def retry_after(self, now: float) -> float | None:
        """The wait it asks for, in seconds: given as seconds or as a date; nonsense and the past give None.

        A date is read against the answer's own Date, so that a wrong clock here does not matter. With
        429, X-RateLimit-Reset counts too: seconds to wait (Datadog), or since 1970 (GitHub), or milliseconds since then.
        """
        value = (self.header("retry-after") or "").strip()
        if _SECONDS.fullmatch(value):
            return float(value[:18])
        until, sent = _http_date(value), self.date()
        if until is None and self.status == 429:
            reset = (self.header("x-ratelimit-reset") or "").strip()
            if _SECONDS.fullmatch(reset):
                seconds = float(reset[:18])
                if seconds < _NO_WAIT:
                    return seconds
                until = seconds if seconds < _MILLISECONDS else seconds / 1000
        if until is None:
            return None
        wait = until - (now if sent is None else sent)
        return wait if wait > 0 else None

    def __repr__(self) -> str:
        return f"Response({self.status}, {len(self.body)} bytes)"


def _http_date(value: str) -> float | None:
    try:
        moment = parsedate_to_datetime(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


class Certificate(msgspec.Struct, frozen=True):
    """The destination's certificate: the names it is for, and when it ends (seconds since 1970)."""

    subject: str
    expires: float


class Probe(msgspec.Struct, frozen=True):
    """What opening a connection showed: the address reached, and the certificate where there is TLS."""

    address: str
    certificate: Certificate | None = None


def refuse_control_characters(lines: Iterable[str]) -> None:
    """Headers about to be sent, whoever made them: one look for all; raises `TransportFailure`."""
    if _FORBIDDEN_IN_VALUE.search("\t".join(lines)):
        text = "the request could not be made: a header holds a control character (CR, LF, NUL…)"
        raise TransportFailure(FailureKind.REQUEST, text, retryable=False)


def checked_header(name: str, value: str, what: str = "header") -> Header:
    """The pair, if it can be a header; CR, LF, NUL and the like raise `WebhookConfigError`."""
    if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
        # The name is not repeated: whoever puts a whole header there puts a secret there.
        raise WebhookConfigError(
            f"{what} name is not a valid one: it is empty, or holds : or a space…"
        )
    if not isinstance(value, str):
        raise WebhookConfigError(f"the value of {what} {name} must be a string")
    if _FORBIDDEN_IN_VALUE.search(value):
        raise WebhookConfigError(
            f"the value of {what} {name} holds a control character (CR, LF, NUL…)"
        )
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise WebhookConfigError(f"the value of {what} {name} is not valid Unicode") from None
    return name, value.strip(" \t")
