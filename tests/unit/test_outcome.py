"""Outcomes: what every HTTP status means, what is told of it, and the report of a call."""

from __future__ import annotations

import copy
import pickle
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaulytica.delivery.outcome import (
    Deferred,
    Delivered,
    Outcome,
    Reason,
    ReasonKind,
    Rejected,
    Result,
    error_of,
    outcome_of_status,
)
from vaulytica.delivery.report import Report
from vaulytica.delivery.request import Response
from vaulytica.errors import (
    WebhookAuthError,
    WebhookError,
    WebhookEventError,
    WebhookExhaustedError,
    WebhookRejectedError,
    WebhookTLSError,
)

LATER = {408, 425, 429} | set(range(500, 600)) - {501, 505}
AUTH = {401, 403, 407}


@pytest.mark.parametrize("status", range(100, 600))
def test_every_status(status: int) -> None:
    outcome = outcome_of_status(Response(status))
    if 200 <= status < 300:
        assert outcome == Delivered(status)
        return
    assert not isinstance(outcome, Delivered)
    assert isinstance(outcome, Deferred) is (status in LATER)
    assert isinstance(outcome, Rejected) is (status not in LATER)
    assert outcome.reason.status == status
    assert (outcome.reason.kind is ReasonKind.AUTH) is (status in AUTH)
    assert outcome.reason.text.startswith(f"HTTP {status}")


@pytest.mark.parametrize("status", [0, 99, 600, 999])
def test_a_status_that_http_does_not_have_delivers_nothing(status: int) -> None:
    assert isinstance(outcome_of_status(Response(status)), Rejected)


@pytest.mark.parametrize(
    ("status", "kind"), [(429, "throttled"), (503, "throttled"), (500, "server"), (408, "server")]
)
def test_who_is_at_fault_for_a_delay(status: int, kind: str) -> None:
    assert reason(outcome_of_status(Response(status))).kind == kind


# --- The destination's own words.


def reason(outcome: Outcome) -> Reason:
    assert not isinstance(outcome, Delivered)
    return outcome.reason


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "HTTP 400"),
        (b"no such index", "HTTP 400: no such index"),
        (b"two\r\nlines\x00\x1b[31m", "HTTP 400: two lines [31m"),
        (b"\xff\xfe", "HTTP 400: \ufffd\ufffd"),
        (" \u2028\u202e left".encode(), "HTTP 400: left"),
    ],
)
def test_the_destinations_words_are_told_in_one_line(body: bytes, text: str) -> None:
    assert reason(outcome_of_status(Response(400, (), body))).text == text


@given(st.binary())
def test_any_answer_makes_one_line(body: bytes) -> None:
    text = reason(outcome_of_status(Response(500, (), body))).text
    assert text.isprintable() or all(c not in text for c in "\r\n\x00\x1b\u2028\u2029\u202e")


# --- Redirects.


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_a_redirect_is_a_rejection_that_names_the_host(status: int) -> None:
    location = "https://user:pw@other.example.com:8443/login?token=secret"
    outcome = outcome_of_status(Response(status, {"Location": location}, b"<html>"))
    assert isinstance(outcome, Rejected)
    assert outcome.reason.text == (
        f"HTTP {status}, a redirect to other.example.com, which is not followed"
    )


@pytest.mark.parametrize(
    ("location", "place"),
    [
        (None, "nowhere (no Location)"),
        ("", "nowhere (no Location)"),
        ("/login?token=secret", "another path of the same host"),
        ("https://[::1", "an unreadable place"),
        ("//other.example.com/x", "other.example.com"),
        ("https://a\x1b\x9b31mb.example.com/", "a 31mb.example.com"),
    ],
)
def test_a_redirect_to_odd_places(location: str | None, place: str) -> None:
    headers = {} if location is None else {"Location": location}
    text = reason(outcome_of_status(Response(302, headers))).text
    assert text == f"HTTP 302, a redirect to {place}, which is not followed"


@given(st.text())
def test_no_location_breaks_the_reading(location: str) -> None:
    assert isinstance(outcome_of_status(Response(302, {"Location": location})), Rejected)


# --- The error that a caller gets.

WHERE = "https://siem.example.com"


def result(outcome: Outcome, attempts: int = 1, position: int = 0) -> Result:
    return Result(position, f"id-{position}", outcome, attempts)


@pytest.mark.parametrize(
    ("kind", "rejected", "deferred"),
    [
        (ReasonKind.EVENT, WebhookEventError, WebhookEventError),
        (ReasonKind.AUTH, WebhookAuthError, WebhookAuthError),
        (ReasonKind.TLS, WebhookTLSError, WebhookTLSError),
        (ReasonKind.REJECTED, WebhookRejectedError, WebhookExhaustedError),
        (ReasonKind.THROTTLED, WebhookRejectedError, WebhookExhaustedError),
        (ReasonKind.SERVER, WebhookRejectedError, WebhookExhaustedError),
        (ReasonKind.UNREACHABLE, WebhookRejectedError, WebhookExhaustedError),
        (ReasonKind.TIMEOUT, WebhookRejectedError, WebhookExhaustedError),
        (ReasonKind.NOT_SENT, WebhookRejectedError, WebhookExhaustedError),
    ],
)
def test_the_error_is_of_the_right_kind(
    kind: ReasonKind, rejected: type[WebhookError], deferred: type[WebhookError]
) -> None:
    why = Reason(kind, "why", 418)
    assert type(error_of(result(Rejected(why)), WHERE)) is rejected
    assert type(error_of(result(Deferred(why)), WHERE)) is deferred


def test_the_error_says_what_happened_where_and_after_how_many_attempts() -> None:
    why = Reason(ReasonKind.SERVER, "HTTP 500: boom\nsecond line", 500)
    error = error_of(result(Deferred(why), attempts=4), WHERE)
    assert str(error) == f"{WHERE}: event not delivered: HTTP 500: boom second line"
    assert (error.attempts, error.status, error.event_id) == (4, 500, "id-0")
    error = error_of(result(Rejected(why)), WHERE)
    assert str(error).startswith(f"{WHERE}: event rejected after 1 attempt: ")


# --- The report.

SERVER = Reason(ReasonKind.SERVER, "HTTP 500", 500)
RESULTS = [
    result(Delivered(200), 1, 2),
    result(Rejected(SERVER), 1, 0),
    result(Deferred(SERVER, 5.0), 4, 1),
    result(Delivered(HTTPStatus.ACCEPTED), 2, 3),
]


def test_a_report_is_the_count_delivered() -> None:
    report = Report(RESULTS)
    assert report == 2
    assert isinstance(report, int)
    assert f"{report}/4" == "2/4"
    assert f"{report:03d}" == "002"
    assert report + 1 == 3
    assert sum([report, report]) == 4
    assert [10, 20, 30][report] == 30
    assert hash(report) == hash(2)
    assert not Report([])
    assert Report([]) == 0


def test_a_report_has_the_results_in_the_callers_order() -> None:
    report = Report(RESULTS)
    assert [r.position for r in report.results] == [0, 1, 2, 3]
    assert [r.position for r in report.rejected] == [0]
    assert [r.position for r in report.deferred] == [1]
    assert [r.delivered for r in report.results] == [False, False, True, True]
    assert [r.reason for r in report.results] == [SERVER, SERVER, None, None]
    assert report.attempts == 8
    assert repr(report) == "Report(delivered=2, rejected=1, deferred=1)"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_report_survives_pickling(protocol: int) -> None:
    report = Report(RESULTS)
    back = pickle.loads(pickle.dumps(report, protocol))
    assert isinstance(back, Report)
    assert back == report
    assert back.results == report.results


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_report_survives_copying(copied: object) -> None:
    back = copied(Report(RESULTS))  # type: ignore[operator]
    assert (back, back.results) == (2, Report(RESULTS).results)
