"""The laws that every wire format keeps. A format added to `FORMATS` is tested here by itself."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.awkward import DATA, EVENT_DATA
from support.heart import batch_of, guide_event, refusal
from vaulytica.delivery.outcome import Deferred, Delivered, Rejected
from vaulytica.delivery.request import Response, checked_header
from vaulytica.errors import WebhookEventError
from vaulytica.events import Event, Severity
from vaulytica.formats import FORMATS
from vaulytica.jsonvalues import Dumps, canonical_json, compact_json

# What formats need that cannot be made from nothing.
TEMPLATE = '{"type": "{{ event_type }}", "level": "{{ severity }}", "data": {{ event_data }}}'
TREE = {"type": "{{ event_type }}", "level": "{{ severity }}", "data": "{{ event_data }}"}
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "template": (TEMPLATE,), "structured": (TREE,), "function": (dict,)
}  # fmt: skip
WRITERS = {"compact": compact_json, "canonical": canonical_json}


def made(name: str, dumps: Dumps = compact_json) -> Any:
    return FORMATS.load(name)(*ARGUMENTS.get(name, ()), dumps=dumps)


@pytest.fixture(params=FORMATS.entries)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=WRITERS)
def format(name: str, request: pytest.FixtureRequest) -> Any:
    """Each format, with each way to write JSON."""
    return made(name, WRITERS[request.param])


def documents(format: Any, *events: Event) -> list[Any]:
    """The JSON documents in the body for these events."""
    body = format.join([format.encode(event) for event in events])
    assert isinstance(body, bytes)
    text = body.decode("utf-8")
    whole = [text] if format.content_type == "application/json" else text.splitlines()
    read = [json.loads(document, parse_constant=pytest.fail) for document in whole]
    return [one for each in read for one in (each if isinstance(each, list) else [each])]


def strings(value: Any) -> list[str]:
    """All texts in a document, keys too."""
    if isinstance(value, str):
        return [value]
    inner = [*value.keys(), *value.values()] if isinstance(value, dict) else value
    return [s for v in (inner if isinstance(value, (dict, list)) else ()) for s in strings(v)]


# --- What a format says of itself.


def test_it_calls_itself_as_the_table_does(name: str) -> None:
    format = made(name)
    assert format.name == name
    assert format.limits.max_events >= 1
    assert format.limits.max_bytes >= 1024
    assert checked_header("Content-Type", format.content_type)[1] == format.content_type


# --- Writing.


def test_it_writes_valid_json(format: Any) -> None:
    (document, *_) = documents(format, guide_event())
    assert isinstance(document, dict)


def test_the_body_holds_every_part_in_order(format: Any) -> None:
    count = min(3, format.limits.max_events)
    parts = [format.encode(guide_event(type=f"type{n}")) for n in range(count)]
    body = format.join(parts)
    places = [body.index(part) for part in parts]
    assert places == sorted(places)
    assert format.join(parts) == body


def test_the_same_event_is_always_the_same_bytes(name: str, format: Any) -> None:
    event = guide_event(data=DATA["mixed"] | DATA["numbers"])
    again = Event.create(
        event.type,
        copy.deepcopy(event.data),
        event.severity,
        timestamp=event.timestamp,
        id=event.id,
    )
    first = format.encode(event)
    assert [format.encode(e) for e in (event, again, event)] == [first] * 3
    other = made(name, canonical_json)
    assert other.encode(event) == made(name, canonical_json).encode(again)


def test_both_writers_write_the_same_document(name: str) -> None:
    event = guide_event(data=DATA["mixed"] | DATA["numbers"] | DATA["surrogates"])
    assert documents(made(name, compact_json), event) == documents(
        made(name, canonical_json), event
    )


def test_the_canonical_body_is_what_a_verifier_writes_again(name: str) -> None:
    format = made(name, canonical_json)
    if format.content_type != "application/json":
        pytest.skip("not one document: there is nothing to write again")
    for data in DATA.values():
        event = guide_event(data=data)
        body = format.join([format.encode(event)])
        assert json.dumps(json.loads(body), sort_keys=True).encode() == body


@pytest.mark.parametrize("severity", Severity)
def test_every_severity_can_be_told_from_the_others(format: Any, severity: Severity) -> None:
    id = guide_event().id
    mine = format.encode(guide_event(severity=severity, id=id))
    for other in set(Severity) - {severity}:
        assert format.encode(guide_event(severity=other, id=id)) != mine


def test_the_data_is_in_it(format: Any) -> None:
    marks = [f"mark-{n}" for n in range(3)]
    event = guide_event(data={marks[0]: marks[1], "list": [{"deep": marks[2]}]})
    text = "\n".join(strings(documents(format, event)))
    assert [mark for mark in marks if mark not in text] == []


@pytest.mark.parametrize("data", DATA.values(), ids=DATA)
def test_awkward_data_is_written_and_left_as_it_is(format: Any, data: dict[str, Any]) -> None:
    event = guide_event(data=data)
    before = copy.deepcopy(event.data)
    assert documents(format, event)
    assert event.data == before
    assert json.dumps(event.data) == json.dumps(before)


@given(data=EVENT_DATA, type=st.text(st.characters(), min_size=1).filter(str.strip))
@pytest.mark.parametrize("name", FORMATS.entries)
def test_any_event_is_written_or_refused(name: str, data: dict[str, Any], type: str) -> None:
    event = guide_event(data=data, type=type)
    for dumps in WRITERS.values():
        format = made(name, dumps)
        if refusal(WebhookEventError, lambda made=format: made.encode(event)) is None:
            assert documents(format, event)


def test_an_events_own_source_and_awkward_type(format: Any) -> None:
    event = guide_event(type='t"\n\ud800', source="scanner\u2028")
    assert documents(format, event)


# --- Reading the answer.

STATUSES = range(100, 600)


def test_every_status_gives_one_outcome_for_each_event(format: Any) -> None:
    for count in {1, min(3, format.limits.max_events)}:
        batch = batch_of(format, *(guide_event() for _ in range(count)))
        for status in STATUSES:
            outcomes = format.settle(Response(status), batch)
            assert len(outcomes) == count
            for outcome in outcomes:
                assert isinstance(outcome, (Delivered, Rejected, Deferred))
                assert not isinstance(outcome, Delivered) or 200 <= status < 300


BODIES = st.binary() | st.sampled_from(
    [b"{}", b"[]", b"null", b'{"code": 6}', b'{"items": 5}', b'{"errors": true, "items": []}', b"{"]
)


@given(status=st.sampled_from([200, 202, 204, 400, 413, 429, 500]), body=BODIES)
@pytest.mark.parametrize("name", FORMATS.entries)
def test_no_answer_breaks_the_reading(name: str, status: int, body: bytes) -> None:
    format = made(name)
    batch = batch_of(format, guide_event())
    (outcome,) = format.settle(Response(status, {"Content-Type": "text/html"}, body), batch)
    if not isinstance(outcome, Delivered):
        assert not {"\n", "\r", "\x00"} & set(outcome.reason.text)
        assert outcome.reason.status == status


def test_outcomes_can_be_changed_one_by_one(format: Any) -> None:
    count = min(3, format.limits.max_events)
    batch = batch_of(format, *(guide_event() for _ in range(count)))
    outcomes = format.settle(Response(500), batch)
    assert isinstance(outcomes, list)
    assert outcomes is not format.settle(Response(500), batch)
