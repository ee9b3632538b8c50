"""OAuth2 client credentials in depth: when a token is fetched, and what is no token."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.awkward import VALUES
from support.heart import GUIDE_EPOCH, reason_of
from support.oauth2 import NO, OK, Talk, token
from vaulytica.auth.oauth2 import OAuth2Auth
from vaulytica.delivery.outcome import Deferred, Delivered, ReasonKind, Rejected
from vaulytica.delivery.request import Response
from vaulytica.errors import FailureKind, TransportFailure

# --- The token's life.


def test_a_token_is_fetched_once_and_used_again() -> None:
    talk = Talk(token(), OK, OK, OK)
    assert all(talk.event().delivered for _ in range(3))
    assert talk.log == ["fetch", *["Bearer fake-token-1"] * 3]


@pytest.mark.parametrize(
    ("life", "used_until"),
    [
        (3600, 3540),
        (3600.5, 3540.5),
        (120, 60),
        (61, 1),
        (60, 30),
        (30, 15),
        (1, 0.5),
        (1e300, 366 * 86400 - 60),
        (10**400, 366 * 86400 - 60),
    ],
    ids=str,
)
def test_a_token_is_used_until_60_s_before_its_end_or_half_its_life(
    life: float, used_until: float
) -> None:
    for moment, fetches in ((used_until - 0.01, 1), (used_until, 2)):
        talk = Talk(token(expires_in=life), OK, *([token("fake-2")] if fetches > 1 else []), OK)
        assert talk.event().delivered
        talk.canned.clock.now = GUIDE_EPOCH + moment
        assert talk.event().delivered
        assert talk.log.count("fetch") == fetches


def test_a_token_that_is_not_used_for_long_is_fetched_anew() -> None:
    talk = Talk(token("fake-1"), OK, token("fake-2"), OK)
    talk.event()
    talk.canned.clock.sleep(86400)
    talk.event()
    assert talk.log == ["fetch", "Bearer fake-1", "fetch", "Bearer fake-2"]


# --- 401 from the destination.


def test_a_401_drops_the_token_fetches_once_and_sends_once_more() -> None:
    talk = Talk(token("fake-1"), NO, token("fake-2"), OK, OK)
    result = talk.event()
    assert (result.outcome, result.attempts) == (Delivered(200), 1)
    talk.event()
    assert talk.log == ["fetch", "Bearer fake-1", "fetch", "Bearer fake-2", "Bearer fake-2"]


def test_a_second_401_is_a_rejection() -> None:
    talk = Talk(token("fake-1"), NO, token("fake-2"), NO, max_retries=3)
    result = talk.event()
    assert isinstance(result.outcome, Rejected)
    assert reason_of(result).kind is ReasonKind.AUTH
    assert reason_of(result).text == "HTTP 401: token expired"
    assert talk.log == ["fetch", "Bearer fake-1", "fetch", "Bearer fake-2"]


def test_a_401_and_no_new_token_sends_nothing_more() -> None:
    talk = Talk(token("fake-1"), NO, Response(400), max_retries=3)
    result = talk.event()
    assert isinstance(result.outcome, Rejected)
    assert "the token endpoint answered HTTP 400" in reason_of(result).text
    assert talk.log == ["fetch", "Bearer fake-1", "fetch"]


def test_the_resend_is_the_same_request_with_the_new_token() -> None:
    talk = Talk(token("fake-1"), NO, token("fake-2"), OK)
    talk.event()
    _, first, _, second = talk.canned.requests
    assert first.body == second.body
    assert first.headers[:-1] == second.headers[:-1]


# --- No token.

NO_TOKEN: list[tuple[Response, str]] = [
    (Response(200), "not JSON"),
    (Response(200, (), b"<html>fake-canary"), "not JSON"),
    (Response(200, (), b"\xff\xfe"), "not JSON"),
    (Response(200, (), b"[" * 60_000), "not JSON"),
    (Response(200, (), b'"fake-canary"'), "not a JSON object"),
    (Response(200, (), b"[]"), "not a JSON object"),
    (Response(200, (), b"null"), "not a JSON object"),
    (Response(200, (), b"{}"), "no access_token"),
    (token(""), "no access_token"),
    (token(" "), "no access_token"),
    (token(5), "no access_token"),  # type: ignore[arg-type]
    (token(None), "no access_token"),  # type: ignore[arg-type]
    (token(["fake-canary"]), "no access_token"),  # type: ignore[arg-type]
    (token(token_type="mac"), "not a bearer token"),
    (token(token_type=5), "not a bearer token"),
    (token(expires_in=...), "expires_in"),
    (token(expires_in=None), "expires_in"),
    (token(expires_in="3600"), "expires_in"),
    (token(expires_in=0), "expires_in"),
    (token(expires_in=-1), "expires_in"),
    (token(expires_in=-(10**400)), "expires_in"),
    (token(expires_in=True), "expires_in"),
    (token(expires_in=float("nan")), "expires_in"),
    (token(expires_in=[3600]), "expires_in"),
    (token("fake-canary\r\nX-Evil: 1"), "cannot stand in a header"),
    (token("fake-canary\x00"), "cannot stand in a header"),
    (token("fake-canary\ud800"), "cannot stand in a header"),
    (Response(201, (), token().body), "HTTP 201"),
    (Response(204), "HTTP 204"),
    (Response(302, {"Location": "https://fake-canary.example.com"}), "HTTP 302"),
    (Response(400, (), b'{"error": "invalid_grant"}'), "HTTP 400 (invalid_grant)"),
    (Response(401, (), b'{"error": "invalid_client"}'), "HTTP 401 (invalid_client)"),
    (Response(401, (), b'{"error": "fake-canary"}'), "HTTP 401"),
    (Response(401, (), b'{"error": ["fake-canary"]}'), "HTTP 401"),
    (Response(403, (), b"fake-canary"), "HTTP 403"),
    (Response(404, (), b'{"error_description": "fake-canary"}'), "HTTP 404"),
]


@pytest.mark.parametrize(("answer", "why"), NO_TOKEN, ids=range(len(NO_TOKEN)))
def test_without_a_token_no_event_is_sent(answer: Response, why: str) -> None:
    talk = Talk(answer, max_retries=3)
    result = talk.event()
    assert talk.log == ["fetch"]
    assert isinstance(result.outcome, Rejected)
    assert reason_of(result).kind is ReasonKind.AUTH
    assert reason_of(result).text.startswith("no token: the token")
    assert why in reason_of(result).text
    assert "canary" not in reason_of(result).text
    assert len(reason_of(result).text) < 150


@given(st.binary() | st.builds(lambda v: json.dumps(v).encode(), VALUES), st.integers(100, 599))
def test_no_answer_of_the_token_endpoint_breaks_anything(body: bytes, status: int) -> None:
    talk = Talk(Response(status, (), body))
    result = talk.event()
    assert talk.log == ["fetch"]
    assert not result.delivered


@given(st.dictionaries(st.sampled_from(["access_token", "token_type", "expires_in"]), VALUES))
def test_no_field_of_the_answer_breaks_anything(fields: dict[str, Any]) -> None:
    answer = {"access_token": "fake", "expires_in": 60} | fields
    talk = Talk(Response(200, (), json.dumps(answer).encode()), OK)
    result = talk.event()
    assert result.delivered is (len(talk.canned.requests) == 2)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_token_endpoint_that_is_busy_is_asked_again(status: int) -> None:
    busy = Response(status, {"Retry-After": "7"}, b"fake-canary")
    talk = Talk(busy, token(), OK, max_retries=3)
    result = talk.event()
    assert (result.delivered, result.attempts) == (True, 2)
    assert talk.log == ["fetch", "fetch", "Bearer fake-token-1"]
    assert talk.canned.delays == [7.0]
    assert "canary" not in talk.canned.waits[0].why


def test_a_token_endpoint_that_stays_busy_is_given_up_on() -> None:
    talk = Talk(*[Response(503)] * 4, max_retries=3)
    result = talk.event()
    assert isinstance(result.outcome, Deferred)
    assert talk.log == ["fetch"] * 4
    assert reason_of(result).kind is ReasonKind.AUTH
    assert reason_of(result).text.startswith("all 4 attempts failed, the last with: no token: ")


def test_a_token_endpoint_that_does_not_answer() -> None:
    lost = TransportFailure(FailureKind.CONNECT, "no connection")
    talk = Talk(lost, token(), OK, max_retries=3)
    assert talk.event().attempts == 2
    untrusted = TransportFailure(FailureKind.TLS, "expired", retryable=False)
    talk = Talk(untrusted, max_retries=3)
    result = talk.event()
    assert isinstance(result.outcome, Rejected)
    assert "the token endpoint did not answer: expired" in reason_of(result).text


def test_after_a_failure_the_next_event_asks_again() -> None:
    talk = Talk(Response(401), token(), OK)
    assert not talk.event().delivered
    assert talk.event().delivered


def test_what_more_a_token_request_says_is_cut_out_of_messages_where_it_is_a_secret() -> None:
    params = {"api_key": ["fake-first", "fake-second"], "password": "fake-third", "resource": "r"}
    auth = OAuth2Auth("https://auth.example.com/token", "robot", "fake-secret", params=params)
    assert {"fake-first", "fake-second", "fake-third"} <= set(auth.secrets())
    assert "r" not in auth.secrets()
