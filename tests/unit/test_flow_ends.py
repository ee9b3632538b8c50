"""The flow of delivering: when it gives up, how long it waits, and what it says."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from support.deliveries import BUSY, NO_JITTER, OK, LockedAuth, delivered, timeout
from support.heart import (
    GUIDE_EPOCH,
    Canned,
    Dice,
    OwnClock,
    batch_of,
    destination,
    guide_event,
    reason_of,
)
from vaulytica.delivery.attempt import attempt
from vaulytica.delivery.flow import deliver, not_sent
from vaulytica.delivery.lane import Lane
from vaulytica.delivery.outcome import Deferred, ReasonKind, Rejected
from vaulytica.delivery.policy import ONCE, RetryPolicy
from vaulytica.delivery.ports import Turn
from vaulytica.delivery.request import Response
from vaulytica.errors import AuthFailure, FailureKind, TransportFailure

# --- Giving up.


def test_all_attempts_used_up() -> None:
    canned = Canned(timeout(), BUSY, timeout(), BUSY)
    result = delivered(canned, destination())
    assert isinstance(result.outcome, Deferred)
    assert result.attempts == 4
    assert reason_of(result).text == "all 4 attempts failed, the last with: HTTP 503: busy"
    assert (reason_of(result).status, reason_of(result).kind) == (503, ReasonKind.THROTTLED)


def test_no_retries_is_one_attempt() -> None:
    result = delivered(Canned(BUSY), destination(retry=RetryPolicy(max_retries=0)))
    assert reason_of(result).text == "the attempt failed with: HTTP 503: busy"


def test_a_policy_given_takes_the_place_of_the_destinations() -> None:
    result = delivered(Canned(BUSY), destination(), retry=ONCE)
    assert (result.attempts, result.delivered) == (1, False)


def test_the_deadline_counts_the_time_that_attempts_take() -> None:
    policy = RetryPolicy(max_retries=9, jitter=False, deadline=20.0)
    canned = Canned(*[BUSY] * 3, took=5.0)  # 5 + 1 + 5 + 2 + 5 = 18, and 4 more would be 22
    result = delivered(canned, destination(retry=policy))
    assert result.attempts == 3
    assert canned.delays == [1.0, 2.0]
    assert reason_of(result).text == (
        "a retry in 4.0 s would outlive the deadline of 20 s, and the last attempt failed with: HTTP 503: busy"
    )


def test_a_wait_asked_for_beyond_the_deadline_is_given_up_at_once() -> None:
    answer = Response(429, {"Retry-After": "100"})
    result = delivered(Canned(answer), destination(retry=RetryPolicy(deadline=60.0)))
    assert result.attempts == 1
    assert "a retry in 100.0 s would outlive the deadline" in reason_of(result).text


# --- Retry-After.


@pytest.mark.parametrize(
    ("value", "delay"),
    [
        ("7", 7.0),
        ("0", 1.0),
        ("-7", 1.0),
        ("1000000000", 3600.0),
        ("soon", 1.0),
        (formatdate(GUIDE_EPOCH + 9, usegmt=True), 9.0),
        (formatdate(GUIDE_EPOCH - 9, usegmt=True), 1.0),
    ],
)
@pytest.mark.parametrize("status", [429, 503, 500])
def test_retry_after_is_a_floor(status: int, value: str, delay: float) -> None:
    canned = Canned(Response(status, {"Retry-After": value}), OK)
    assert delivered(canned, destination(retry=NO_JITTER), patient=False).delivered
    assert canned.delays == [delay]


def test_a_deferred_result_carries_the_wait_asked_for() -> None:
    canned = Canned(Response(503, {"retry-after": "90"}))
    outcome = delivered(canned, destination(retry=ONCE)).outcome
    assert isinstance(outcome, Deferred)
    assert outcome.retry_after == 90.0


# --- Credentials that are not to be had.


def test_without_credentials_nothing_is_sent() -> None:
    canned = Canned()
    result = delivered(canned, destination(auth=LockedAuth(AuthFailure("no token"))))
    assert canned.requests == []
    assert isinstance(result.outcome, Rejected)
    assert (reason_of(result).kind, reason_of(result).text) == (ReasonKind.AUTH, "no token")


def test_credentials_not_to_be_had_now_are_asked_for_again() -> None:
    canned = Canned()
    failure = AuthFailure("no token yet", retryable=True, retry_after=5.0)
    result = delivered(canned, destination(auth=LockedAuth(failure), retry=NO_JITTER))
    assert canned.delays == [5.0, 5.0, 5.0]
    assert (result.attempts, canned.requests) == (4, [])
    assert reason_of(result).kind is ReasonKind.AUTH
    assert reason_of(result).text == "all 4 attempts failed, the last with: no token yet"


# --- Words and secrets.


def test_the_destinations_words_are_cut_after_2048_characters() -> None:
    text = reason_of(delivered(Canned(Response(400, (), b"w" * 60_000)), destination())).text
    assert text.endswith("w…")
    assert len(text) == 2049


@pytest.mark.parametrize("before", [0, 2030, 2040, 2048])
def test_a_secret_is_taken_out_before_the_words_are_cut(before: int) -> None:
    to = destination(secrets=("fake-canary-secret",))
    body = b"w" * before + b" fake-canary-secret fake-canary-secret"
    text = reason_of(delivered(Canned(Response(400, (), body)), to)).text
    assert "fake" not in text
    assert "canary" not in text


def test_secrets_are_taken_out_of_failures_too() -> None:
    to = destination(secrets=("fake-canary-secret",), retry=ONCE)
    for failure in (
        TransportFailure(FailureKind.CONNECT, "no way to fake-canary-secret"),
        TransportFailure(FailureKind.TLS, "fake-canary-secret is expired", retryable=False),
    ):
        assert "canary" not in reason_of(delivered(Canned(failure), to)).text
    to = destination(
        secrets=("fake-canary-secret",), auth=LockedAuth(AuthFailure("no fake-canary-secret"))
    )
    assert reason_of(delivered(Canned(), to)).text == "no ***"


def test_the_longest_secret_is_taken_out_first() -> None:
    to = destination(secrets=("fake", "fake-token", "abc"))
    assert to.redact("abc fake-token fake") == "abc *** ***"


# --- Ends.


def test_not_sent_is_a_result_without_attempts() -> None:
    batch = batch_of(destination().format, guide_event(), guide_event())
    results = not_sent(batch, "the call was stopped").all()
    assert [r.position for r in results] == [0, 1]
    assert {r.attempts for r in results} == {0}
    assert reason_of(results[0]).text == "not sent: the call was stopped"
    assert reason_of(results[0]).kind is ReasonKind.NOT_SENT


def test_an_abandoned_flow_ends_without_an_error() -> None:
    to = destination()
    lane, batch = Lane(to), batch_of(to.format, guide_event())
    for flow in (deliver(lane, batch, OwnClock(), Dice(0.5)), attempt(lane, batch, OwnClock())):
        for _ in range(2):  # its turn, and the request
            effect = next(flow)
            if isinstance(effect, Turn):
                assert effect.ask() == 0.0
        assert lane.pace.in_flight == 1
        flow.close()
        assert lane.pace.in_flight == 0
