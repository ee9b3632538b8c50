"""What Elasticsearch and OpenSearch say item by item, in a bulk's answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.heart import batch_of, guide_event, reason_of
from vaulytica.delivery.batching import Batch
from vaulytica.delivery.outcome import Deferred, Delivered, Outcome, ReasonKind, Rejected
from vaulytica.delivery.request import Response
from vaulytica.formats.elastic import ElasticFormat

BULK = ElasticFormat(url="https://search.example.com/events/_bulk")
CONFLICT = {"type": "version_conflict_engine_exception", "reason": "document already exists"}
WRONG_TYPE = {
    "type": "document_parsing_exception",
    "reason": "[1:20] failed to parse field [vaulytica.n] of type [long]",
    "caused_by": {"type": "illegal_argument_exception", "reason": 'For input string: "x"'},
}


def batch(count: int) -> Batch:
    return batch_of(BULK, *(guide_event(id=f"e-{n}") for n in range(count)))


def answer(*items: Any, errors: Any = None, status: int = 200, **more: Any) -> Response:
    """A bulk's answer: each item is its status, or its members; the ids are the batch's own."""
    made = []
    for n, told in enumerate(items):
        item = {"status": told} if isinstance(told, int) else told
        made.append({"create": {"_id": f"e-{n}", **item}})
    if errors is None:
        errors = any("error" in item["create"] for item in made)
    return Response(
        status, body=json.dumps({"took": 3, "errors": errors, "items": made, **more}).encode()
    )


def settled(response: Response, count: int) -> list[Outcome]:
    return BULK.settle(response, batch(count))


def one(**item: Any) -> Outcome:
    """The outcome of an item; its neighbours, before and behind, are delivered."""
    before, outcome, after = settled(answer(201, item, 201), 3)
    assert before == after == Delivered(201)
    return outcome


# --- Item by item.


def test_all_are_delivered() -> None:
    assert settled(answer(201, 200, 201), 3) == [Delivered(201), Delivered(200), Delivered(201)]


def test_null_is_no_error() -> None:
    assert one(status=201, error=None, failure_store=None) == Delivered(201)
    refused = one(status=400, error=None)
    assert reason_of(refused).text == "item status 400"


def test_a_wrong_type_rejects_that_event_and_says_why() -> None:
    outcome = one(status=400, error=WRONG_TYPE)
    assert isinstance(outcome, Rejected)
    assert outcome.reason.status == 400
    assert not outcome.reason.shared
    for word in ("400", "document_parsing_exception", "[vaulytica.n]", 'For input string: "x"'):
        assert word in outcome.reason.text


@pytest.mark.parametrize(
    ("status", "type", "outcome", "kind"),
    [
        (400, "document_parsing_exception", Rejected, ReasonKind.REJECTED),
        (401, "security_exception", Rejected, ReasonKind.AUTH),
        (403, "security_exception", Rejected, ReasonKind.AUTH),
        (403, "cluster_block_exception", Deferred, ReasonKind.SERVER),
        (404, "index_not_found_exception", Rejected, ReasonKind.REJECTED),
        (413, "circuit_breaking_exception", Rejected, ReasonKind.REJECTED),
        (408, "process_cluster_event_timeout_exception", Deferred, ReasonKind.SERVER),
        (429, "es_rejected_execution_exception", Deferred, ReasonKind.THROTTLED),
        (429, "cluster_block_exception", Deferred, ReasonKind.THROTTLED),
        (500, "unavailable_shards_exception", Deferred, ReasonKind.SERVER),
        (501, "any", Deferred, ReasonKind.SERVER),
        (503, "unavailable_shards_exception", Deferred, ReasonKind.SERVER),
        (199, "any", Deferred, ReasonKind.SERVER),
        (302, "any", Deferred, ReasonKind.SERVER),
        (600, "any", Deferred, ReasonKind.SERVER),
        (0, "any", Deferred, ReasonKind.SERVER),
        (-201, "any", Deferred, ReasonKind.SERVER),
        (201, "contradicting", Deferred, ReasonKind.SERVER),
    ],
)
def test_what_a_failed_item_means(
    status: int, type: str, outcome: type[Outcome], kind: ReasonKind
) -> None:
    found = one(status=status, error={"type": type, "reason": "the reason"})
    assert isinstance(found, outcome)
    assert reason_of(found).kind is kind
    assert f"{type}: the reason" in reason_of(found).text


def test_what_is_already_there_is_delivered_and_noted() -> None:
    outcome = one(status=409, error=CONFLICT)
    assert isinstance(outcome, Delivered)
    assert outcome.status == 409
    assert "already" in (outcome.note or "")


def test_the_failure_store_is_told_of() -> None:
    used = one(status=201, failure_store="used")
    assert isinstance(used, Delivered)
    assert "failure store" in (used.note or "")
    for state in ("failed", "not_enabled"):
        refused = one(status=400, error=WRONG_TYPE, failure_store=state)
        assert isinstance(refused, Rejected)
        assert state in refused.reason.text
    assert one(status=201, failure_store="not_applicable_or_unknown") == Delivered(201)
    assert isinstance(one(status=201, failure_store="failed"), Deferred)


@pytest.mark.parametrize("errors", [True, False])
def test_the_items_count_whatever_the_sum_says(errors: bool) -> None:
    good, bad = settled(answer(201, {"status": 400, "error": WRONG_TYPE}, errors=errors), 2)
    assert good == Delivered(201)
    assert isinstance(bad, Rejected)
    assert settled(answer(201, errors=errors), 1) == [Delivered(201)]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("only text\nof lines", "only text of lines"),
        ({"type": "t"}, "t"),
        ({"reason": "r"}, "r"),
        ({"type": "t", "reason": None}, "t"),
        ({}, "no reason given"),
        ({"type": 5}, '{"type": 5}'),
        ([1, "\n"], "[1,"),
        ({"type": "a", "caused_by": {"type": "b", "caused_by": {"type": "c"}}}, "a, caused by c"),
        ({"type": "t", "reason": "\x1b[31m\u202er"}, "t: [31m r"),
    ],
)
def test_an_error_of_any_shape_is_told_on_one_line(error: object, words: str) -> None:
    text = reason_of(one(status=400, error=error)).text
    assert words in text
    assert not {"\n", "\r", "\x1b", "\u202e"} & set(text)


def test_an_item_need_not_name_its_id() -> None:
    body = b'{"errors":false,"items":[{"create":{"status":201}},{"create":{"status":201}}]}'
    assert settled(Response(200, body=body), 2) == [Delivered(201)] * 2


# --- What cannot be understood delivers nothing, and can be sent again.

HTML = b"<html><body>Sign in</body></html>"


@pytest.mark.parametrize(
    "response",
    [
        answer(201),
        answer(201, 201, 201),
        answer(),
        answer(201, {"status": 201, "_id": "e-0"}),
        answer({"status": 201, "_id": "e-1"}, {"status": 201, "_id": "e-0"}),
        answer({"status": 201, "_id": "another's"}, 201),
        answer({"status": 409, "_id": "another's"}, 201),
        answer({"status": "201"}, 201),
        answer({"status": 201.5}, 201),
        answer({"status": True}, 201),
        answer({"status": None}, 201),
        answer({"status": 201, "_id": 5}, 201),
        answer(201, 201, errors="no"),
        Response(200),
        Response(204),
        Response(200, body=HTML),
        Response(200, body=answer(201, 201).body[:-1]),
        Response(200, body=answer(201, 201).body + b"}"),
        Response(200, body=b'{"items":[{"create":{"status":201}},{"create":{"status":201}}]}'),
        Response(200, body=b'{"errors":false}'),
        Response(200, body=b'{"errors":false,"items":null}'),
        Response(200, body=b'{"errors":false,"items":{"0":{},"1":{}}}'),
        Response(200, body=b'{"errors":false,"items":[{},{}]}'),
        Response(200, body=b'{"errors":false,"items":[{"create":{}},{"create":{}}]}'),
        Response(200, body=b'{"errors":false,"items":[null,null]}'),
        Response(200, body=b'{"errors":false,"items":[{"delete":{"status":200}},{"delete":{}}]}'),
        Response(200, body=b'{"error":{"type":"t","reason":"r"},"status":400}'),
        Response(200, body=b"[]"),
        Response(200, body=b"\xff\xfe"),
        Response(200, body=b"[" * 100_000),
        Response(200, body=b'{"errors":false,"items":[' + b'{"a":' * 100_000),
    ],
)
def test_an_answer_to_something_else_delivers_nothing(response: Response) -> None:
    for outcome in settled(response, 2):
        assert isinstance(outcome, Deferred)
        assert outcome.reason.kind is ReasonKind.SERVER
        assert f"HTTP {response.status}" in outcome.reason.text
        assert len(outcome.reason.text) < 70_000


def test_a_wrong_count_and_another_batch_are_named() -> None:
    assert "1 items for 2 events" in reason_of(settled(answer(201), 2)[0]).text
    strange = answer({"status": 201, "_id": "x"})
    assert "another batch" in reason_of(settled(strange, 1)[0]).text
    assert "Sign in" in reason_of(settled(Response(200, body=HTML), 1)[0]).text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
STATUS = st.sampled_from([200, 201, 400, 404, 409, 429, 500, 503]) | st.integers() | JSON
MEMBERS = st.fixed_dictionaries(
    {},
    optional={
        "status": STATUS,
        "error": JSON,
        "failure_store": st.sampled_from(["used", "failed", "not_enabled"]) | JSON,
        "_id": st.sampled_from(["e-0", "e-1", "e-2"]) | JSON,
    },
)
ENTRIES = st.dictionaries(st.sampled_from(["create", "index"]), MEMBERS | JSON, max_size=2) | JSON


@given(
    status=st.sampled_from([200, 200, 200, 201, 202, 400, 429, 503]),
    items=st.lists(ENTRIES, max_size=4) | JSON,
    errors=st.booleans() | JSON,
    count=st.integers(1, 3),
)
def test_only_what_an_item_says_is_taken_is_delivered(
    status: int, items: Any, errors: Any, count: int
) -> None:
    body = json.dumps({"errors": errors, "items": items}).encode()
    sent = batch(count)
    outcomes = BULK.settle(Response(status, body=body), sent)
    assert len(outcomes) == count
    for n, outcome in enumerate(outcomes):
        if isinstance(outcome, Delivered):
            assert status < 300
            assert len(items) == count
            item = items[n]["create"]
            assert item["status"] == 409 or 200 <= item["status"] < 300
            assert item.get("_id", f"e-{n}") in (f"e-{n}", None)
        else:
            assert not {"\n", "\r", "\x00"} & set(outcome.reason.text)


STATUSES = st.sampled_from([200, 201, 400, 403, 404, 408, 409, 429, 500, 503])


@given(st.lists(STATUSES, min_size=1, max_size=20))
def test_each_event_has_the_outcome_of_its_own_item(statuses: list[int]) -> None:
    items = [
        {"status": status} | ({"error": {"type": f"t{n}"}} if status >= 300 else {})
        for n, status in enumerate(statuses)
    ]
    for n, outcome in enumerate(settled(answer(*items), len(items))):
        if statuses[n] in (200, 201, 409):
            assert isinstance(outcome, Delivered)
            assert outcome.status == statuses[n]
        else:
            later = statuses[n] in (408, 429, 500, 503)
            assert isinstance(outcome, Deferred if later else Rejected)
            assert reason_of(outcome).text.endswith(f"t{n}")
            assert reason_of(outcome).status == statuses[n]


@pytest.mark.parametrize("status", [403, 429])
def test_a_write_block_passes_and_so_do_its_events(status: int) -> None:
    error = {"type": "cluster_block_exception", "reason": "index [logs] blocked by: [FORBIDDEN/8]"}
    outcome = one(status=status, error=error)
    assert isinstance(outcome, Deferred)
    assert "cluster_block_exception" in outcome.reason.text
