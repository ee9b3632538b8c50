"""`POST /v1/events`: what a client sees, and what is in the outbox then."""

from __future__ import annotations

import gzip
import http.client
import json
import sqlite3
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from support.intake import TOKEN, Intake, intake
from support.outbox import the_law
from vaulytica.errors import OutboxError
from vaulytica.relay.door.accept import Full, Stopping

EVENT = {"type": "login_failed", "data": {"user": "user@example.com"}, "severity": "warning"}
NDJSON = {"Content-Type": "application/x-ndjson"}


def lines(*events: Any) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


@pytest.mark.parametrize(
    ("body", "content_type", "count"),
    [
        (json.dumps(EVENT), "application/json", 1),
        (json.dumps(EVENT, indent=2), "application/json; charset=utf-8", 1),
        (json.dumps([EVENT, EVENT]), "application/json", 2),
        (json.dumps([EVENT, EVENT, EVENT], indent=1), "application/json", 3),
        (lines(EVENT, EVENT), "application/x-ndjson", 2),
        (lines(EVENT, EVENT).rstrip(), "application/x-ndjson", 2),
        (b"\n" + lines(EVENT) + b"\r\n\n" + lines(EVENT), "application/jsonl", 2),
        (lines(EVENT, EVENT), "application/json", 2),  # plainly lines, whatever it says
        (b"\xef\xbb\xbf" + lines(EVENT, EVENT), "text/plain", 2),
        (lines(EVENT, EVENT), "application/x-www-form-urlencoded", 2),  # as curl calls it
        (json.dumps(EVENT), None, 1),
        ("[]", "application/json", 0),
    ],
)
def test_events_are_taken(
    relay_in: Intake, body: Any, content_type: str | None, count: int
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    body = body.encode() if isinstance(body, str) else body
    answer = relay_in.post(body, headers)
    assert (answer.status, answer.json["accepted"]) == (202, count)
    kept = relay_in.kept()
    assert [event["id"] for event in kept] == answer.json["ids"]
    assert all({**event, **EVENT} == event for event in kept)


def test_what_is_accepted_is_on_disk(relay_in: Intake) -> None:
    answer = relay_in.post(EVENT)
    other = sqlite3.connect(relay_in.outbox.path)  # which sees only what is committed
    try:
        (body,) = other.execute("SELECT body FROM outbox_batch").fetchone()
    finally:
        other.close()
    assert json.loads(body)["id"] == answer.json["ids"][0]


def test_everything_of_an_event_is_kept(relay_in: Intake) -> None:
    event = {
        **EVENT, "data": {"n": 2**70, "text": "\u00fc\u0000\n", "x": [1.50, None, {}]}, "id": "own-id",
        "timestamp": "2025-10-29T12:00:00.250+02:00", "source": "fw-1", "metadata": {"index": "main"},
    }  # fmt: skip
    assert relay_in.post(event).json["ids"] == ["own-id"]
    assert relay_in.kept() == [{**event, "timestamp": "2025-10-29T10:00:00.250Z"}]


def test_many_events_in_one_request(relay_in: Intake) -> None:
    answer = relay_in.post(lines(*[{"type": "t", "data": {"n": n}} for n in range(20_000)]), NDJSON)
    assert answer.json["accepted"] == 20_000
    assert [event["data"]["n"] for event in relay_in.kept()] == list(range(20_000))


@pytest.mark.parametrize(
    "body", [gzip.compress(lines(EVENT, EVENT), mtime=0), gzip.compress(lines(EVENT), mtime=0) * 2]
)
def test_gzip(relay_in: Intake, body: bytes) -> None:
    answer = relay_in.post(body, {**NDJSON, "Content-Encoding": "gzip"})
    assert (answer.status, len(relay_in.kept())) == (202, 2)


@pytest.mark.parametrize(
    ("encoding", "body", "status", "why"),
    [
        ("gzip", b"no gzip", 400, "not gzip"),
        ("gzip", gzip.compress(b"x" * 1000, mtime=0)[:-9], 400, "ends too early"),
        ("gzip", gzip.compress(b" ", mtime=0) * 101, 400, "more than 100 files"),
        ("br", b"x", 415, "gzip only"),
        ("deflate", zlib.compress(b"{}"), 415, "gzip only"),
        ("gzip, gzip", b"x", 415, "gzip only"),
    ],
)
def test_what_cannot_be_inflated(
    relay_in: Intake, encoding: str, body: bytes, status: int, why: str
) -> None:
    answer = relay_in.post(body, {"Content-Encoding": encoding})
    assert answer.status == status
    assert why in answer.error
    assert relay_in.kept() == []


# --- How users find out what is wrong.


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
def test_other_methods(relay_in: Intake, method: str) -> None:
    answer = relay_in.post(b"", method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


def test_other_paths(relay_in: Intake) -> None:
    assert relay_in.post(EVENT, path="/v1/event").status == 404


@pytest.mark.parametrize(
    "content_type",
    ["text/xml", "multipart/form-data; boundary=x", "application/json; charset=utf-16"],
)
def test_other_content_types(relay_in: Intake, content_type: str) -> None:
    answer = relay_in.post(EVENT, {"Content-Type": content_type})
    assert answer.status == 415
    assert relay_in.kept() == []


@pytest.mark.parametrize("body", [b"", b" \n "])
def test_an_empty_body(relay_in: Intake, body: bytes) -> None:
    answer = relay_in.post(body)
    assert answer.status == 400
    assert "empty" in answer.error


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ({"data": {}}, 'event has no "type"'),
        ({"type": ""}, "non-empty string"),
        ({**EVENT, "severity": "fatal"}, "unknown severity 'fatal'"),
        ({**EVENT, "data": []}, "data must be an object"),
        ({**EVENT, "timestamp": "yesterday"}, "timestamp 'yesterday'"),
        ({**EVENT, "id": "two words"}, "event id"),
        ({**EVENT, "host": "x"}, "unknown key 'host'"),
        (17, "an event must be an object"),
        (None, "an event must be an object"),
    ],
)
def test_what_is_no_event_is_named_by_its_line(relay_in: Intake, bad: Any, why: str) -> None:
    answer = relay_in.post(lines(EVENT, EVENT, bad, EVENT), NDJSON)
    assert (answer.status, answer.json["line"]) == (400, 3)
    assert answer.error.startswith("line 3: ")
    assert why in answer.error
    assert relay_in.kept() == []


def test_what_is_no_event_in_an_array_is_named_by_its_place(relay_in: Intake) -> None:
    answer = relay_in.post([EVENT, {"data": {}}, EVENT])
    assert (answer.status, answer.json["event"]) == (400, 2)
    assert answer.error == 'event 2: event has no "type"'


def test_a_document_that_is_no_json_is_named_by_line_and_column(relay_in: Intake) -> None:
    answer = relay_in.post(b'[{"type": "t"},\n {"type": x}]', {"Content-Type": "application/json"})
    assert answer.error == "line 2: not valid JSON: Expecting value at column 11"


# --- Full, and failing.


def test_full_is_said_with_when_to_come_back(relay_in: Intake) -> None:
    relay_in.failing = Full("the outbox is full", 2.4)
    answer = relay_in.post(EVENT)
    assert (answer.status, answer.headers["retry-after"]) == (429, "2")
    assert answer.error == "the outbox is full"


def test_a_relay_that_ends_says_so(relay_in: Intake) -> None:
    relay_in.failing = Stopping("the relay is stopping; try again", 5.0)
    answer = relay_in.post(EVENT)
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")


def test_a_failing_disk_is_said_without_its_path(relay_in: Intake) -> None:
    relay_in.failing = OutboxError("outbox /var/lib/x.db: disk full")
    answer = relay_in.post(EVENT)
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) > 0
    assert "/var" not in answer.error


def test_a_file_that_is_full_takes_nothing_and_goes_on_when_there_is_room(relay_in: Intake) -> None:
    relay_in.post(EVENT)
    connection = relay_in.outbox._writer.connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    large = {"type": "t", "data": {"text": "x" * 100_000}}
    answer = relay_in.post(large, {"Idempotency-Key": "k-1"})
    assert (answer.status, len(relay_in.kept())) == (503, 1)
    connection.execute(f"PRAGMA max_page_count = {pages + 1000}")
    again = relay_in.post(large, {"Idempotency-Key": "k-1"})
    assert (again.status, len(relay_in.kept())) == (202, 2)
    assert "idempotent-replayed" not in again.headers
    the_law(relay_in.outbox)


def test_a_failure_of_ours_is_no_traceback(
    relay_in: Intake, caplog: pytest.LogCaptureFixture
) -> None:
    relay_in.failing = RuntimeError("secret detail")
    answer = relay_in.post(EVENT)
    assert (answer.status, "secret" in answer.error) == (500, False)
    assert "secret detail" in caplog.text


# --- Idempotency.


@pytest.mark.parametrize(("second", "status"), [("k-2", 400), ("k-1", 202)])
def test_a_request_has_one_key(relay_in: Intake, second: str, status: int) -> None:
    body = json.dumps(EVENT).encode()
    with relay_in.connect() as connection:
        connection.sendall(
            b"POST /v1/events HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %s\r\n"
            b"Idempotency-Key: k-1\r\nIdempotency-Key: %s\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (TOKEN.encode(), second.encode(), len(body), body)
        )
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        said = json.loads(answer.read())
    assert answer.status == status
    assert len(relay_in.kept()) == (status == 202)
    if status == 400:
        assert said["error"] == "there are several Idempotency-Key; a request has one"


def test_a_retry_is_no_second_event(relay_in: Intake) -> None:
    first, again = (relay_in.post(EVENT, {"Idempotency-Key": "k-1"}) for _ in range(2))
    assert (first.status, again.status) == (202, 202)
    assert first.json == again.json
    assert again.headers["idempotent-replayed"] == "true"
    assert len(relay_in.kept()) == 1


def test_the_same_key_for_another_body_is_refused(relay_in: Intake) -> None:
    relay_in.post(EVENT, {"Idempotency-Key": "k-1"})
    answer = relay_in.post({**EVENT, "type": "other"}, {"Idempotency-Key": "k-1"})
    assert (answer.status, len(relay_in.kept())) == (422, 1)
    assert "another body" in answer.error


def test_the_same_body_packed_otherwise_is_the_same(relay_in: Intake) -> None:
    body = lines(EVENT)
    relay_in.post(body, {**NDJSON, "Idempotency-Key": "k-1"})
    packed = {**NDJSON, "Idempotency-Key": "k-1", "Content-Encoding": "gzip"}
    assert relay_in.post(gzip.compress(body), packed).headers["idempotent-replayed"] == "true"
    assert len(relay_in.kept()) == 1


def test_a_request_that_was_refused_leaves_its_key_free(relay_in: Intake) -> None:
    assert relay_in.post(b"{", {"Idempotency-Key": "k-1"}).status == 400
    assert relay_in.post(EVENT, {"Idempotency-Key": "k-1"}).status == 202


def test_the_same_key_at_the_same_time(relay_in: Intake) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(
            pool.map(lambda _: relay_in.post(EVENT, {"Idempotency-Key": "k-1"}), range(64))
        )
    assert {answer.status for answer in answers} == {202}
    assert len({tuple(answer.json["ids"]) for answer in answers}) == 1
    assert sum("idempotent-replayed" in answer.headers for answer in answers) == 63
    assert len(relay_in.kept()) == 1


def test_another_client_may_use_the_same_key(tmp_path: Path) -> None:
    with intake(tmp_path, tokens=["fake-one", "fake-two"]) as relay_in:
        for token in ("fake-one", "fake-two"):
            relay_in.post(EVENT, {"Idempotency-Key": "k-1"}, token=token)
        assert len(relay_in.kept()) == 2


@pytest.mark.parametrize("key", ["", "two words", "ü", "x" * 256])
def test_a_key_that_is_none(relay_in: Intake, key: str) -> None:
    answer = relay_in.post(EVENT, {"Idempotency-Key": key.encode().decode("latin-1")})
    assert (answer.status, relay_in.kept()) == (400, [])


def test_the_law_holds(relay_in: Intake) -> None:
    for body in (EVENT, [EVENT, EVENT], [EVENT, {}], b"{"):
        relay_in.post(body)
    the_law(relay_in.outbox)
    assert relay_in.outbox.counts()["siem"].accepted == 3
