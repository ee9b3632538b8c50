"""Splunk HEC: what each answer means for each event of the batch."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.heart import batch_of, guide_event, reason_of
from vaulytica.delivery.outcome import Deferred, Delivered, Outcome, ReasonKind, Rejected
from vaulytica.delivery.request import Response
from vaulytica.formats.splunk_hec import SplunkHecFormat, SplunkOptions

URL = "https://splunk.example.com:8088/services/collector"
FORMAT = SplunkHecFormat(url=URL)
ACKED = SplunkHecFormat(url=URL, options=SplunkOptions(ack=True))
BATCH = batch_of(FORMAT, *(guide_event(type=f"type{n}") for n in range(5)))


def answer(status: int, **body: Any) -> Response:
    named = {name.replace("_", "-"): value for name, value in body.items()}
    return Response(status, {"Content-Type": "application/json"}, json.dumps(named).encode())


def settled(response: Response, format: SplunkHecFormat = FORMAT) -> list[Outcome]:
    outcomes = format.settle(response, BATCH)
    assert len(outcomes) == len(BATCH)
    return outcomes


def the_one(response: Response, format: SplunkHecFormat = FORMAT) -> Outcome:
    """The outcome that all events share."""
    (outcome,) = set(settled(response, format))
    return outcome


# Code, HTTP status and text: Splunk's manual. Then what it means, for a batch of several.
TABLE = [
    (1, 403, "Token disabled", Rejected, ReasonKind.AUTH, False),
    (2, 401, "Token is required", Rejected, ReasonKind.AUTH, False),
    (3, 401, "Invalid authorization", Rejected, ReasonKind.AUTH, False),
    (4, 403, "Invalid token", Rejected, ReasonKind.AUTH, False),
    (5, 400, "No data", Rejected, ReasonKind.REJECTED, True),
    (6, 400, "Invalid data format", Rejected, ReasonKind.REJECTED, True),
    (7, 400, "Incorrect index", Rejected, ReasonKind.REJECTED, False),
    (8, 500, "Internal server error", Deferred, ReasonKind.SERVER, False),
    (9, 503, "Server is busy", Deferred, ReasonKind.THROTTLED, False),
    (10, 400, "Data channel is missing", Rejected, ReasonKind.REJECTED, False),
    (11, 400, "Invalid data channel", Rejected, ReasonKind.REJECTED, False),
    (12, 400, "Event field is required", Rejected, ReasonKind.REJECTED, True),
    (13, 400, "Event field cannot be blank", Rejected, ReasonKind.REJECTED, True),
    (14, 400, "ACK is disabled", Rejected, ReasonKind.REJECTED, False),
    (15, 400, "Error in handling indexed fields", Rejected, ReasonKind.REJECTED, True),
    (16, 400, "Query string authorization is not enabled", Rejected, ReasonKind.AUTH, False),
    (17, 200, "HEC is healthy", Rejected, ReasonKind.REJECTED, False),
    (18, 503, "HEC is unhealthy, queues are full", Deferred, ReasonKind.THROTTLED, False),
    (19, 503, "HEC is unhealthy, ack service unavailable", Deferred, ReasonKind.SERVER, False),
    (20, 503, "HEC is unhealthy, both", Deferred, ReasonKind.THROTTLED, False),
    (21, 400, "Invalid token", Rejected, ReasonKind.AUTH, False),
    (22, 400, "Token disabled", Rejected, ReasonKind.AUTH, False),
    (23, 503, "Server is shutting down", Deferred, ReasonKind.SERVER, False),
    (26, 429, "Queue at capacity", Deferred, ReasonKind.THROTTLED, False),
    (27, 429, "ACK channel at capacity", Deferred, ReasonKind.THROTTLED, False),
]


@pytest.mark.parametrize(("code", "status", "text", "outcome", "kind", "shared"), TABLE)
def test_every_code_has_its_meaning(
    code: int, status: int, text: str, outcome: type, kind: ReasonKind, shared: bool
) -> None:
    for format in (FORMAT, ACKED):
        found = the_one(answer(status, text=text, code=code), format)
        assert type(found) is outcome
        reason = reason_of(found)
        assert (reason.kind, reason.status, reason.shared) == (kind, status, shared)
        assert reason.of_all is (kind is ReasonKind.AUTH)
        assert f"HTTP {status}: {text} (code {code})" in reason.text


def test_the_table_has_every_code() -> None:
    assert {row[0] for row in TABLE} | {0, 24, 25} == set(range(28))


@pytest.mark.parametrize(("code", "busy"), [(0, False), (24, True), (25, True)])
def test_what_was_taken_is_delivered(code: int, busy: bool) -> None:
    for status in (200, 201):
        assert the_one(answer(status, text="Success", code=code)) == Delivered(status, busy=busy)


@pytest.mark.parametrize("status", [301, 400, 403, 413, 429, 500, 503])
@pytest.mark.parametrize("code", [0, 24, 25])
def test_a_success_in_words_with_an_errors_status_is_none(status: int, code: int) -> None:
    assert not isinstance(the_one(answer(status, text="Success", code=code)), Delivered)


@pytest.mark.parametrize("code", [9, 6, 7, 4, 8])
def test_an_error_in_words_with_the_status_200_is_one(code: int) -> None:
    found = the_one(answer(200, text="t", code=code))
    assert type(found) is (Deferred if code in (8, 9) else Rejected)


# --- A batch is not atomic.


@pytest.mark.parametrize("code", [5, 6, 12, 13, 15])
@pytest.mark.parametrize("number", range(5))
def test_the_event_at_fault_is_named(code: int, number: int) -> None:
    found = settled(answer(400, text="why", code=code, invalid_event_number=number))
    assert found[:number] == [Delivered(400)] * number
    rejected, rest = found[number], found[number + 1 :]
    assert isinstance(rejected, Rejected)
    assert reason_of(rejected).kind is ReasonKind.REJECTED
    assert not reason_of(rejected).shared
    assert "why" in reason_of(rejected).text
    for one in rest:
        assert isinstance(one, Deferred)
        assert reason_of(one).kind is ReasonKind.UNREAD
        assert one.retry_after == 0


@pytest.mark.parametrize("number", [5, 10**30, -1, True, False, 2.0, "2", None, [2], {}])
def test_a_number_that_names_no_event_of_the_batch_names_none(number: Any) -> None:
    found = the_one(answer(400, text="t", code=6, invalid_event_number=number))
    assert isinstance(found, Rejected)
    assert found.reason.shared


@pytest.mark.parametrize("status", [200, 422, 500])
def test_a_number_is_believed_with_the_status_400_only(status: int) -> None:
    found = the_one(answer(status, text="t", code=6, invalid_event_number=1))
    assert isinstance(found, Rejected)
    assert found.reason.shared


@pytest.mark.parametrize("number", range(2, 6))
def test_a_wrong_index_of_a_later_event_is_named_by_a_number_from_1(number: int) -> None:
    found = settled(answer(400, text="Incorrect index", code=7, invalid_event_number=number))
    assert found[: number - 1] == [Delivered(400)] * (number - 1)
    assert isinstance(found[number - 1], Rejected)
    assert {reason_of(one).kind for one in found[number:]} <= {ReasonKind.UNREAD}


def test_a_wrong_index_of_the_first_event_is_that_of_all() -> None:
    for number in (0, 1, 6, -1, True, "2"):
        found = the_one(answer(400, text="Incorrect index", code=7, invalid_event_number=number))
        assert isinstance(found, Rejected)
        assert not found.reason.shared
        assert "token" in found.reason.text


def test_a_busy_servers_number_delivers_nothing() -> None:
    found = the_one(answer(503, text="Server is busy", code=9, invalid_event_number=2))
    assert isinstance(found, Deferred)
    assert found.retry_after is None


# --- Answers that are not HEC's.

HTML = b"<html><body>Request Entity Too Large</body></html>"


@pytest.mark.parametrize(
    ("status", "outcome", "kind", "shared"),
    [
        (413, Rejected, ReasonKind.TOO_LARGE, True),
        (415, Rejected, ReasonKind.REJECTED, True),
        (400, Rejected, ReasonKind.REJECTED, True),
        (401, Rejected, ReasonKind.AUTH, False),
        (404, Rejected, ReasonKind.REJECTED, False),
        (302, Rejected, ReasonKind.REJECTED, False),
        (429, Deferred, ReasonKind.THROTTLED, False),
        (503, Deferred, ReasonKind.THROTTLED, False),
        (504, Deferred, ReasonKind.SERVER, False),
    ],
)
def test_without_a_code_the_status_counts(
    status: int, outcome: type, kind: ReasonKind, shared: bool
) -> None:
    for body in (HTML, b"", b"{", b"[]", b'{"code":"6"}', b'{"code":99,"text":"?"}', b"\xff\xfe"):
        found = the_one(Response(status, {"Content-Type": "text/html"}, body))
        assert type(found) is outcome
        assert (reason_of(found).kind, reason_of(found).shared) == (kind, shared)


@pytest.mark.parametrize(
    "body",
    [
        HTML,
        b'{"text":"Success","code":0',
        b"[]",
        b"null",
        b"0",
        b'{"error":"no such index"}',
        b'{"errors":true}',
        b'{"code":"0"}',
        b'{"code":false}',
        b'{"code":0.0}',
        b'{"code":28,"text":"new"}',
        b"[" * 60_000,
        b'{"code":' + b"9" * 5000 + b"}",
        "“”".encode("utf-16"),
    ],
)
def test_a_200_that_cannot_be_read_is_never_delivered(body: bytes) -> None:
    found = the_one(Response(200, (), body))
    assert isinstance(found, Deferred)
    assert found.reason.text.startswith("HTTP 200, but not an answer of HEC")


@pytest.mark.parametrize(
    "body", [b"", b" \r\n", b'"OK"', b'"OK"\n', b"ok", b"{}", b'{"text":"Success"}', b'{"ok":true}']
)
def test_other_receivers_of_hec_say_less(body: bytes) -> None:
    assert the_one(Response(200, (), body)) == Delivered(200)
    noted = the_one(Response(200, (), body), ACKED)
    assert isinstance(noted, Delivered)
    assert "without the ackId" in str(noted.note)
    assert not isinstance(the_one(Response(500, (), body)), Delivered)


@pytest.mark.parametrize(
    "body",
    [
        {"success": False, "message": "rate limited"},
        {"ok": False},
        {"message": "forbidden"},
        {"status": "failed"},
        {"status": "ok", "message": "forbidden"},
        {"status": "ok", "errors": ["one"]},
        {"text": "Success", "error": "queue full"},
        {"took": 3},
        {"code": "7"},
    ],
)
def test_a_200_that_says_it_failed_or_nothing_of_it_delivers_nothing(body: Any) -> None:
    response = Response(200, (), json.dumps(body).encode())
    assert isinstance(the_one(response), Deferred)


@given(
    status=st.sampled_from([200, 204, 400, 403, 413, 429, 500, 503]),
    body=st.dictionaries(
        st.sampled_from(["text", "code", "invalid-event-number", "ackId"]),
        st.integers(-3, 30) | st.text(max_size=5) | st.none() | st.booleans() | st.lists(st.none()),
    ),
    ack=st.booleans(),
)
def test_no_answer_breaks_the_reading(status: int, body: Any, ack: bool) -> None:
    response = Response(status, (), json.dumps(body).encode())
    for outcome in settled(response, ACKED if ack else FORMAT):
        if isinstance(outcome, Delivered):
            assert (status < 300 and body.get("code", 0) in (0, 24, 25)) or status == 400
        else:
            assert outcome.reason.status == status
            outcome.reason.text.encode()  # it can be printed
            assert "\n" not in outcome.reason.text


# --- With acknowledgement.


def test_a_200_with_an_ack_id_may_be_delivered() -> None:
    assert the_one(answer(200, text="Success", code=0, ackId=0), ACKED) == Delivered(200)


@pytest.mark.parametrize(
    "given", [{}, {"ackId": None}, {"ackId": True}, {"ackId": "1"}, {"ackId": -1}]
)
def test_without_an_ack_id_it_is_taken_with_a_note_and_not_sent_again(given: Any) -> None:
    found = the_one(answer(200, text="Success", code=0, **given), ACKED)
    assert isinstance(found, Delivered)
    assert "ack: false" in str(found.note)


# --- The page that tells of the collector's health.


def test_the_health_page_is_beside_the_events() -> None:
    for url, page in [
        (URL, "https://splunk.example.com:8088/services/collector/health"),
        (f"{URL}/event/1.0?token=t", "https://splunk.example.com:8088/services/collector/health?token=t"),
        (f"{URL}/raw", "https://splunk.example.com:8088/services/collector/health"),
        ("http://vl:9428/insert/splunk/services/collector/event", "http://vl:9428/insert/splunk/services/collector/health"),
        ("https://example.com/hook", None),
    ]:  # fmt: skip
        assert FORMAT.health(url) == page


@pytest.mark.parametrize(
    ("response", "wrong"),
    [
        (answer(200, text="HEC is healthy", code=17), None),
        (Response(200), None),
        (Response(404, (), HTML), None),
        (Response(400, (), b'"Only \\"POST\\" method is supported"'), None),
        (Response(405), None),
        (
            answer(503, text="HEC is unhealthy, queues are full", code=18),
            "queues are full (code 18)",
        ),
        (answer(200, text="HEC is unhealthy", code=20), "code 20"),
        (answer(400, text="Invalid token", code=21), "check the token"),
        (answer(400, text="Token disabled", code=22), "enable it"),
        (Response(503, (), HTML), "HTTP 503"),
        (Response(502), "HTTP 502"),
        (Response(200, (), HTML), "no page of HEC's health"),
        (Response(200, (), b'{"status":"failed"}'), "no page of HEC's health"),
    ],
)
def test_what_it_says(response: Response, wrong: str | None) -> None:
    said = FORMAT.healthy(response)
    assert (said is None) if wrong is None else (said is not None and wrong in said)
