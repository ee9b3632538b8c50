"""The flow of delivering, on canned answers and a clock the test owns."""

from __future__ import annotations

import pytest

from support.deliveries import BUSY, NO_JITTER, OK, StampAuth, delivered, timeout
from support.heart import (
    GUIDE_EPOCH,
    Canned,
    destination,
    header,
    reason_of,
)
from vaulytica.delivery.outcome import Deferred, Delivered, ReasonKind, Rejected
from vaulytica.delivery.policy import ONCE
from vaulytica.delivery.request import Response
from vaulytica.errors import FailureKind, TransportFailure

# --- What is sent.


def test_an_event_taken_at_once_is_one_request() -> None:
    canned = Canned(Response(202))
    result = delivered(canned, destination(headers=(("X-Team", "blue"),), timeout=7.0))
    (request,) = canned.requests
    assert result.outcome == Delivered(202)
    assert (result.attempts, result.position, canned.waits) == (1, 0, [])
    assert (request.url, request.timeout) == ("https://siem.example.com/hook", 7.0)
    assert header(request, "X-Team") == "blue"
    assert header(request, "Webhook-Id") == header(request, "Idempotency-Key") == result.event_id


@pytest.mark.parametrize("names", [(), ("Webhook-Id",), ("Idempotency-Key",)])
def test_id_headers_can_be_switched_off(names: tuple[str, ...]) -> None:
    canned = Canned(OK)
    delivered(canned, destination(id_headers=names))
    assert tuple(name for name, _ in canned.requests[0].headers) == names


def test_over_attempts_the_id_and_the_body_stay_and_the_signature_is_made_anew() -> None:
    canned = Canned(BUSY, timeout(), BUSY, OK)
    result = delivered(canned, destination(auth=StampAuth(), retry=NO_JITTER))
    assert result.attempts == 4
    assert {header(r, "Webhook-Id") for r in canned.requests} == {result.event_id}
    assert {header(r, "Idempotency-Key") for r in canned.requests} == {result.event_id}
    assert len({r.body for r in canned.requests}) == 1
    stamps = [float(header(r, "X-Stamp") or 0) - GUIDE_EPOCH for r in canned.requests]
    assert stamps == [0, 1, 3, 7]


# --- When it is sent again.


@pytest.mark.parametrize("failures", range(4))
def test_it_waits_as_the_guides_table_says(failures: int) -> None:
    canned = Canned(*[BUSY] * failures, OK)
    assert delivered(canned, destination(retry=NO_JITTER)).delivered
    assert canned.delays == [1.0, 2.0, 4.0][:failures]


def test_jitter_comes_from_the_callers_dice() -> None:
    canned = Canned(BUSY, BUSY, OK)
    assert delivered(canned, destination(), dice=0.0).delivered
    assert canned.delays == [0.5, 1.0]


def test_a_wait_says_why() -> None:
    canned = Canned(BUSY, timeout(), OK)
    delivered(canned, destination(retry=NO_JITTER))
    assert [wait.why for wait in canned.waits] == [
        "https://siem.example.com: attempt 1 of 4: HTTP 503: busy",
        "https://siem.example.com: attempt 2 of 4: no whole answer in time",
    ]


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 507, 599])
def test_statuses_that_pass_are_retried(status: int) -> None:
    result = delivered(Canned(Response(status), OK), destination())
    assert (result.delivered, result.attempts) == (True, 2)


@pytest.mark.parametrize(
    "status", [301, 304, 400, 401, 403, 404, 407, 409, 410, 413, 422, 501, 505]
)
def test_statuses_that_do_not_are_not(status: int) -> None:
    result = delivered(Canned(Response(status)), destination())
    assert isinstance(result.outcome, Rejected)
    assert (result.attempts, reason_of(result).status) == (1, status)


KINDS_RETRIED = set(FailureKind) - {FailureKind.TLS, FailureKind.REQUEST}


@pytest.mark.parametrize("kind", sorted(KINDS_RETRIED))
def test_broken_connections_are_retried(kind: FailureKind) -> None:
    result = delivered(Canned(TransportFailure(kind, "broke"), OK), destination())
    assert (result.delivered, result.attempts) == (True, 2)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [(FailureKind.TLS, ReasonKind.TLS), (FailureKind.REQUEST, ReasonKind.REJECTED)],
)
def test_what_no_retry_mends_is_not_retried(kind: FailureKind, reason: ReasonKind) -> None:
    result = delivered(Canned(TransportFailure(kind, "bad", retryable=False)), destination())
    assert isinstance(result.outcome, Rejected)
    assert (reason_of(result).kind, reason_of(result).text) == (reason, "bad")
    assert reason_of(result).status is None


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (FailureKind.TIMEOUT, ReasonKind.TIMEOUT),
        (FailureKind.CONNECT, ReasonKind.UNREACHABLE),
        (FailureKind.RESOLVE, ReasonKind.UNREACHABLE),
        (FailureKind.PROXY, ReasonKind.PROXY),
        (FailureKind.BROKEN, ReasonKind.UNREACHABLE),
    ],
)
def test_a_failure_is_told_by_its_kind(kind: FailureKind, reason: ReasonKind) -> None:
    result = delivered(Canned(TransportFailure(kind, "broke")), destination(retry=ONCE))
    assert isinstance(result.outcome, Deferred)
    assert reason_of(result).kind is reason
