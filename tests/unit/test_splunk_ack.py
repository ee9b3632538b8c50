"""Splunk HEC's indexer acknowledgement: a batch is delivered when an indexer says so, and not before."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from support.heart import Canned, destination, header, reason_of
from support.splunk import GUID, URL, a_batch, acks, channel_of, made, sent, taken, to
from vaulytica.auth.api_key import ApiKeyAuth
from vaulytica.delivery.batching import Batch
from vaulytica.delivery.lane import Lane
from vaulytica.delivery.outcome import Deferred, Delivered, ReasonKind, Rejected
from vaulytica.delivery.pace import Heard, Signal
from vaulytica.delivery.request import Response
from vaulytica.errors import AuthFailure, FailureKind, TransportFailure
from vaulytica.formats.splunk_hec import SplunkHecFormat, SplunkOptions
from vaulytica.jsonvalues import canonical_json


def run(canned: Canned, format: SplunkHecFormat, batch: Batch | None = None, **changes: Any) -> Any:
    batch = batch or a_batch(format)
    return canned.run(sent(to(format, **changes), batch, canned.clock))


# --- One batch.


def test_a_batch_is_delivered_when_it_is_acknowledged() -> None:
    canned = Canned(taken(7), acks(_7=False), acks(_7=True))
    auth = ApiKeyAuth("Splunk fake-token", "Authorization")
    outcomes = run(canned, made(), auth=auth, headers=(("User-Agent", "test"),))
    assert outcomes == [Delivered(200)] * 2
    assert canned.all_used
    assert canned.pauses == [1, 2]
    event, *polls = canned.requests
    channel = header(event, "X-Splunk-Request-Channel")
    for poll in polls:
        parts = urlsplit(poll.url)
        assert (poll.method, parts.path) == ("POST", "/services/collector/ack")
        assert parse_qs(parts.query) == {"channel": [channel]}
        assert header(poll, "X-Splunk-Request-Channel") == channel
        assert header(poll, "Authorization") == "Splunk fake-token"
        assert header(poll, "User-Agent") == "test"
        assert poll.body == b'{"acks":[7]}'


def test_it_is_asked_for_less_and_less_often_until_its_time_is_up() -> None:
    canned = Canned(taken(), *[acks(_0=False)] * 8)
    outcomes = run(canned, made(ack_timeout=40.0))
    assert canned.pauses == [1, 2, 4, 8, 10, 10, 5]
    for outcome in outcomes:
        assert isinstance(outcome, Deferred)
        assert outcome.reason.kind is ReasonKind.TIMEOUT
        assert "ackId 0" in outcome.reason.text
        assert "after 40 s" in outcome.reason.text
    assert len(canned.answers) == 2


def test_an_indexer_nearly_full_says_so_all_the_same() -> None:
    canned = Canned(taken(code=25), acks(_0=True))
    assert run(canned, made()) == [Delivered(200, busy=True)] * 2


@pytest.mark.parametrize(
    "answer",
    [
        acks(_1=True, _2=True),
        acks(_0=1),
        acks(_0="true"),
        Response(200, (), b'{"acks":[0]}'),
        Response(200, (), b'{"acks":{"0":tr'),
        Response(200, (), b'{"text":"Success","code":0}'),
        Response(200, (), b"<html>true</html>"),
        Response(200),
        Response(400, (), b'{"text":"ACK is disabled","code":14}'),
        Response(400, (), b'{"acks":{"0":true}}'),
        Response(404, (), b'{"acks":{"0":true}}'),
        Response(500, (), b'{"acks":{"0":true}}'),
        TransportFailure(FailureKind.TIMEOUT, "timed out after 30 s"),
        TransportFailure(FailureKind.TLS, "certificate", retryable=False),
        AuthFailure("no token"),
    ],
    ids=str,
)
def test_nothing_else_is_an_acknowledgement(answer: Any) -> None:
    canned = Canned(taken(), *[answer] * 3, acks(_0=True))
    assert run(canned, made()) == [Delivered(200)] * 2  # it went on asking
    canned = Canned(taken(), *[answer] * 3)
    (outcome, _) = run(canned, made(ack_timeout=10.0))
    assert isinstance(outcome, Deferred)
    assert ("no answer" if isinstance(answer, Exception) else "HTTP") in outcome.reason.text


def test_events_taken_before_the_one_at_fault() -> None:
    wrong = {"text": "Invalid data format", "code": 6, "invalid-event-number": 1}
    format = made()
    canned = Canned(Response(400, (), json.dumps(wrong).encode()))
    first, second, third = run(canned, format, a_batch(format, 3))
    assert isinstance(first, Delivered)
    assert "without an ackId" in str(first.note)  # no lie, and not there twice
    assert isinstance(second, Rejected)
    assert reason_of(third).kind is ReasonKind.UNREAD
    canned = Canned(Response(400, (), json.dumps(wrong | {"ackId": 4}).encode()), acks(_4=True))
    first, second, third = run(canned, format, a_batch(format, 3))
    assert first == Delivered(400)
    assert isinstance(second, Rejected)
    assert reason_of(third).kind is ReasonKind.UNREAD


def test_signed_polls_are_canonical() -> None:
    format = SplunkHecFormat(dumps=canonical_json, options=SplunkOptions(ack=True), url=URL)
    canned = Canned(taken(), acks(_0=True))
    run(canned, format)
    assert canned.requests[1].body == b'{"acks": [0]}'


def test_the_urls_own_query_goes_to_the_polls_too() -> None:
    format = made("https://gw.example.com/x/services/collector?token=fake")
    canned = Canned(taken(), acks(_0=True))
    address = destination(
        url="https://gw.example.com/x/services/collector?token=fake", format=format
    )
    canned.run(sent(address, a_batch(format), canned.clock))
    url = canned.requests[1].url
    assert url.startswith("https://gw.example.com/x/services/collector/ack?token=fake&channel=")


def test_raw_events_are_acknowledged_too() -> None:
    url = "https://splunk.example.com:8088/services/collector/raw"
    format = made(url, channel=GUID)
    canned = Canned(taken(3), acks(_3=True))
    outcomes = canned.run(sent(destination(url=url, format=format), a_batch(format), canned.clock))
    assert outcomes == [Delivered(200)] * 2
    event, poll = canned.requests
    assert header(event, "X-Splunk-Request-Channel") == GUID
    assert poll.url.endswith(f"/services/collector/ack?channel={GUID}")


# --- A collector that is busy.

LATER = (("Retry-After", "30"),)
BUSY = b'{"text":"Server is busy","code":9}'


@pytest.mark.parametrize(
    "answer",
    [
        Response(429, LATER, b"<html>slow down</html>"),
        Response(503, LATER, BUSY),
        Response(500, LATER),
        Response(429, [("X-RateLimit-Reset", "30")]),
    ],
    ids=str,
)
def test_questions_wait_as_they_are_told_to_and_nothing_is_sent_again(answer: Response) -> None:
    """That time is not of the time that an indexer is given."""
    canned = Canned(taken(), answer, answer, acks(_0=False), acks(_0=True))
    assert run(canned, made(ack_timeout=10.0)) == [Delivered(200)] * 2
    assert canned.all_used
    assert canned.pauses == [1, 30, 30, 8]


def test_without_a_time_to_wait_a_busy_collector_is_asked_ever_less_often() -> None:
    busy = [Response(503, (), BUSY), Response(429), Response(200, (), BUSY)]
    canned = Canned(taken(), *busy, acks(_0=False), acks(_0=True))
    assert run(canned, made(ack_timeout=12.0)) == [Delivered(200)] * 2
    assert canned.pauses == [1, 2, 4, 8, 10]


def test_a_collector_that_is_busy_for_ever_is_borne_for_its_patience() -> None:
    canned = Canned(taken(), *[Response(429, LATER)] * 3)
    (outcome, _) = run(canned, made(ack_timeout=10.0), patience=40.0)
    assert canned.all_used
    assert canned.pauses == [1, 30, 30, 1]  # it is asked once more when the last wait is over
    assert "after 62 s: when asked, HTTP 429" in reason_of(outcome).text


def test_what_is_heard_of_questions_and_of_events_holds_both_back() -> None:
    lane = Lane(to(made(ack_timeout=10.0)))
    canned = Canned(taken(), acks(_0=True))
    lane.pace.heed(canned.clock.monotonic(), Signal(Heard.BUSY, 0.1, hold=100.0), admitted=False)
    assert canned.run(sent(lane, a_batch(made()), canned.clock)) == [Delivered(200)] * 2
    assert canned.pauses == [100]

    canned = Canned(taken(), Response(429, LATER), acks(_0=True))
    canned.run(sent(lane, a_batch(made()), canned.clock))
    before = canned.clock.monotonic() - 29  # one second after the question
    assert lane.pace.held(before) == lane.pace.admit(before, 1, 1) == 29


# --- Cookies of a load balancer.


def test_the_balancers_cookie_goes_with_the_channel() -> None:
    format = made()
    canned = Canned(taken(0, "LB=a; Path=/; HttpOnly"), acks(_0=True), taken(1), acks(_1=True))
    run(canned, format)
    run(canned, format)
    first, *rest = [channel_of(request) for request in canned.requests]
    assert first[1] is None
    assert rest == [(first[0], "LB=a")] * 3


def test_a_new_cookie_opens_a_new_channel() -> None:
    format = made()
    canned = Canned(
        taken(0, "LB=a"), acks(_0=True),
        taken(0, "LB=b"), acks(_0=True),  # sent by a, answered by b
        taken(0), acks(_0=True),
    )  # fmt: skip
    for _ in range(3):
        assert run(canned, format) == [Delivered(200)] * 2
    found = [channel_of(request) for request in canned.requests]
    (old, _), (new, _) = found[0], found[4]
    assert old != new
    assert found == [(old, None), *[(old, "LB=a")] * 2, (old, "LB=b"), *[(new, "LB=b")] * 2]


@pytest.mark.parametrize("cookie", ["", ";", "novalue", "a=b\r\nX: y", "a=b c", "ü=1", " ; a=b"])
def test_what_is_no_cookie_is_not_sent_back(cookie: str) -> None:
    canned = Canned(taken(0, cookie), acks(_0=True))
    run(canned, made())
    assert header(canned.requests[1], "Cookie") is None
