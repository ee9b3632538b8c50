"""When to try again, when to give up, and when a whole destination is down. Pure functions of their arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Protocol

from vaulytica.delivery.outcome import Delivered, Outcome, ReasonKind, Rejected
from vaulytica.delivery.request import Response


class Random(Protocol):
    """Where jitter comes from: the `random` module, or a generator the test owns."""

    def random(self) -> float:
        """A float in [0, 1)."""


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Try again after `delay` seconds."""

    delay: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No further try; `why` completes the sentence "gave up: …"."""

    why: str


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`max_retries` retries after the first attempt; delays in seconds. See the guide's retry table.

    `retry_after_cap` bounds what a destination may ask for; `deadline` bounds the whole delivery.
    """

    max_retries: int = 3
    initial_delay: float = 1.0
    max_delay: float = 60.0
    exponential_base: float = 2.0
    jitter: bool = True
    retry_after_cap: float = 3600.0
    deadline: float | None = None

    def delay(self, retry: int) -> float:
        """Seconds before retry `retry` (from 1), without jitter."""
        try:
            return min(self.initial_delay * self.exponential_base ** (retry - 1), self.max_delay)
        except OverflowError:
            return self.max_delay if self.initial_delay else 0.0

    def next_step(
        self, attempts: int, retry_after: float, elapsed: float, rng: Random
    ) -> RetryAt | GiveUp:
        """After `attempts` attempts in `elapsed` seconds: try again when, or give up why.

        `retry_after` (seconds the destination asked for, or 0) is a floor on the delay, itself capped.
        """
        if attempts > self.max_retries:
            return GiveUp(
                f"all {attempts} attempts failed" if attempts > 1 else "the attempt failed"
            )
        delay = self.delay(attempts)
        if self.jitter:
            delay *= 0.5 + rng.random() / 2
        delay = max(delay, min(retry_after, self.retry_after_cap))
        if self.deadline is not None and elapsed + delay > self.deadline:
            return GiveUp(
                f"a retry in {delay:.1f} s would outlive the deadline of {self.deadline:g} s"
            )
        return RetryAt(delay)


ONCE = RetryPolicy(max_retries=0)


def retry_after_seconds(response: Response, now: float) -> float | None:
    """Retry-After as seconds from now: given as seconds or as a date; nonsense and the past give None.

    A date is read against the answer's own Date, so that a wrong clock here does not matter.
    """
    value = (response.header("retry-after") or "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:18])
    moment = _http_date(value)
    if moment is None:
        return None
    sent = _http_date(response.header("date") or "")
    wait = moment - (now if sent is None else sent)
    return wait if wait > 0 else None


def _http_date(value: str) -> float | None:
    try:
        moment = parsedate_to_datetime(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def date_of(response: Response) -> float | None:
    """The answer's Date header as seconds since 1970, if it has a readable one."""
    return _http_date(response.header("date") or "")


class DownDetector:
    """Notices, over one `send_batch`, that the destination is plainly down, so that the rest is not tried.

    Down is: credentials refused, no trusted TLS connection, or 410 Gone – once; or `AFTER`
    events in a row that spent all their attempts or met 404 or a redirect, with none delivered between.
    """

    AFTER = 3
    _AT_ONCE = frozenset({ReasonKind.AUTH, ReasonKind.TLS})
    _WHOLE_DESTINATION = frozenset({301, 302, 303, 307, 308, 404, 405})

    def __init__(self) -> None:
        self.why: str | None = None
        self._in_a_row = 0

    def observe(self, outcomes: Sequence[Outcome]) -> None:
        """Take in the final outcomes of one delivery."""
        for outcome in outcomes:
            if isinstance(outcome, Delivered):
                self._in_a_row = 0
                continue
            reason = outcome.reason
            if isinstance(outcome, Rejected):
                if reason.kind in self._AT_ONCE or reason.status == 410:
                    self.why = reason.text
                if reason.status not in self._WHOLE_DESTINATION:
                    continue
            elif reason.kind is ReasonKind.NOT_SENT:
                continue
            self._in_a_row += 1
            if self._in_a_row >= self.AFTER:
                self.why = reason.text
