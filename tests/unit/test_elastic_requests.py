"""What Elasticsearch and OpenSearch say of a request as a whole, with one document or many."""

from __future__ import annotations

import json

import pytest

from support.heart import batch_of, guide_event, reason_of
from vaulytica.delivery.outcome import Deferred, Delivered, Outcome, ReasonKind, Rejected
from vaulytica.delivery.request import Response
from vaulytica.formats.elastic import ElasticFormat

BULK = ElasticFormat(url="https://search.example.com/events/_bulk")
SINGLE = ElasticFormat(url="https://search.example.com/events/_doc")


def settled(response: Response, count: int) -> list[Outcome]:
    return BULK.settle(response, batch_of(BULK, *(guide_event() for _ in range(count))))


def failure(status: int, type: str, reason: str = "the reason") -> Response:
    error = {"root_cause": [{"type": type, "reason": reason}], "type": type, "reason": reason}
    return Response(status, body=json.dumps({"error": error, "status": status}).encode())


@pytest.mark.parametrize("format", [BULK, SINGLE])
@pytest.mark.parametrize(
    ("response", "outcome", "kind", "shared"),
    [
        (failure(400, "illegal_argument_exception"), Rejected, ReasonKind.REJECTED, True),
        (failure(401, "security_exception"), Rejected, ReasonKind.AUTH, False),
        (failure(403, "security_exception"), Rejected, ReasonKind.AUTH, False),
        (failure(404, "index_not_found_exception"), Rejected, ReasonKind.REJECTED, False),
        (failure(413, "circuit_breaking_exception"), Rejected, ReasonKind.TOO_LARGE, True),
        (failure(429, "es_rejected_execution_exception"), Deferred, ReasonKind.THROTTLED, False),
        (failure(500, "exception"), Deferred, ReasonKind.SERVER, False),
        (failure(503, "cluster_block_exception"), Deferred, ReasonKind.THROTTLED, False),
    ],
)
def test_a_request_that_fails_is_told_in_its_own_words(
    format: ElasticFormat,
    response: Response,
    outcome: type[Outcome],
    kind: ReasonKind,
    shared: bool,
) -> None:
    sent = batch_of(format, guide_event())
    (found,) = format.settle(response, sent)
    assert isinstance(found, outcome)
    reason = reason_of(found)
    type = json.loads(response.body)["error"]["type"]
    assert reason.text == f"HTTP {response.status}: {type}: the reason"
    assert (reason.kind, reason.shared, reason.status) == (kind, shared, response.status)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"Unauthorized", "Unauthorized"),
        (b'{"error":"no handler found"}', "no handler found"),
        (b'{"message":"signature expired"}', "signature expired"),
        (b"<html>413</html>", "<html>413</html>"),
        (b"", ""),
    ],
)
def test_a_failure_in_other_words_is_told_as_well(body: bytes, words: str) -> None:
    for outcome in settled(Response(403, body=body), 2):
        assert words in reason_of(outcome).text


@pytest.mark.parametrize(
    ("body", "shared"),
    [(b'{"Message":"not authorized"}', False), (b"<html>Forbidden</html>", True), (b"", True)],
)
def test_a_403_that_is_no_json_may_be_a_firewalls_of_one_event(body: bytes, shared: bool) -> None:
    for outcome in settled(Response(403, body=body), 2):
        assert reason_of(outcome).shared is shared


def test_a_redirect_is_told_of_as_everywhere() -> None:
    (outcome,) = settled(Response(302, {"Location": "https://login.example.com/x"}), 1)
    assert "login.example.com" in reason_of(outcome).text


def test_one_document_is_judged_by_the_status() -> None:
    sent = batch_of(SINGLE, guide_event())
    taken = b'{"_index":"x","_id":"1","result":"created","failure_store":"used"}'
    (used,) = SINGLE.settle(Response(201, body=taken), sent)
    assert isinstance(used, Delivered)
    assert "failure store" in (used.note or "")
    for body in (b"", b"ok", b'{"result":"created"}'):  # Logstash's http input says "ok"
        assert SINGLE.settle(Response(201, body=body), sent) == [Delivered(201)]
