"""Batches of formats with one document an event: an array or lines, cut by true size, whole at the other end."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.awkward import DATA, EVENT_DATA
from support.heart import batch_of, guide_event, parts_of
from vaulytica.delivery.batching import Batch, Bounds
from vaulytica.delivery.cutting import Cutter
from vaulytica.delivery.outcome import Deferred, Delivered, ReasonKind, Rejected
from vaulytica.delivery.ports import Limits, Lined
from vaulytica.delivery.request import Response
from vaulytica.formats import FORMATS
from vaulytica.formats.document import DocumentFormat, Layout
from vaulytica.formats.function import FunctionFormat
from vaulytica.formats.json import JsonFormat
from vaulytica.formats.templating.template import TemplateFormat
from vaulytica.jsonvalues import Dumps, canonical_json, compact_json
from vaulytica.lines import Line

LAYOUTS = [Layout.ARRAY, Layout.NDJSON]
WRITERS: list[Dumps] = [compact_json, canonical_json]
TEMPLATE = """{
  "type": "{{ event_type }}",
  "data": {{ event_data }}
}
"""

TREE = {"type": "{{ event_type }}", "data": "{{ event_data }}"}


def made(kind: str, layout: Layout | None, dumps: Dumps = compact_json) -> Any:
    arguments: dict[str, tuple[Any, ...]] = {
        "template": (TEMPLATE,), "structured": (TREE,), "function": (dict,)
    }  # fmt: skip
    return FORMATS.load(kind)(*arguments.get(kind, ()), dumps=dumps, layout=layout)


def read(format: DocumentFormat, body: bytes) -> list[Any]:
    """The documents of a body, as its receiver reads them."""
    if format.content_type == "application/json":
        documents = json.loads(body)
        assert isinstance(documents, list)
        return documents
    assert format.content_type == "application/x-ndjson"
    *lines, end = body.split(b"\n")
    assert end == b""
    return [json.loads(line) for line in lines]


def cut_by(format: Any, bounds: Bounds, entries: list[Any]) -> list[Batch]:
    """The batches of these entries, all of which are fit."""
    ready: list[Batch] = []
    unfit: list[Any] = []
    cutter = Cutter(
        format, bounds, 10**7, max_part_bytes=10**7, ready=ready.append, unfit=unfit.append
    )
    for entry in entries:
        cutter.add(entry, 0.0)
    cutter.flush()
    assert unfit == []
    return ready


# --- The shape of a body.


@pytest.mark.parametrize("layout", [None, "single", Layout.SINGLE])
def test_without_a_layout_a_body_is_the_one_document(layout: str | None) -> None:
    format = JsonFormat(layout=layout)
    assert format.join([b'{"a":1}']) == b'{"a":1}'
    assert format.limits == Limits(max_events=1)
    with pytest.raises(ValueError, match="unpack"):
        format.join([b"{}", b"{}"])


def test_the_bytes_of_each_layout() -> None:
    parts = [b'{"a":1}', b'{"b":2}', b"{}"]
    assert JsonFormat(layout="array").join(parts) == b'[{"a":1},{"b":2},{}]'
    assert JsonFormat(layout="ndjson").join(parts) == b'{"a":1}\n{"b":2}\n{}\n'


@pytest.mark.parametrize("kind", ["json", "template", "structured", "function"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_event_is_an_array_or_a_line_of_one(kind: str, layout: Layout) -> None:
    format = made(kind, layout)
    event = guide_event()
    (document,) = read(format, format.join([format.encode(event)]))
    assert document == format.document(event)


@pytest.mark.parametrize("kind", ["json", "template", "structured", "function"])
def test_a_signed_array_is_what_a_verifier_writes_again(kind: str) -> None:
    format = made(kind, Layout.ARRAY, canonical_json)
    events = [guide_event(data=data) for data in DATA.values()]
    for some in (events, events[:1]):
        body = format.join([format.encode(event) for event in some])
        assert json.dumps(json.loads(body), sort_keys=True).encode() == body


@pytest.mark.parametrize("dumps", WRITERS)
def test_a_template_of_many_lines_makes_one_line_a_document(dumps: Dumps) -> None:
    format = TemplateFormat(TEMPLATE, layout="ndjson", dumps=dumps)
    events = [guide_event(data={"text": "two\nlines\r\n"}), guide_event(type="b\nc")]
    body = format.join([format.encode(event) for event in events])
    assert body.count(b"\n") == 2
    assert read(format, body) == [format.document(event) for event in events]


def test_an_unknown_layout_is_refused() -> None:
    with pytest.raises(ValueError, match="'csv' is not a valid Layout"):
        JsonFormat(layout="csv")


def test_only_formats_for_any_endpoint_let_the_user_choose() -> None:
    choosing = {name for name in FORMATS.entries if getattr(FORMATS.load(name), "has_layouts", 0)}
    assert choosing == {"json", "template", "structured", "function"}


# --- Cutting.


@given(
    kind=st.sampled_from(["json", "function"]),
    dumps=st.sampled_from(WRITERS),
    layout=st.sampled_from(LAYOUTS),
    datas=st.lists(EVENT_DATA, min_size=1, max_size=8),
    max_events=st.integers(1, 9),
    room=st.integers(0, 600),
)
def test_batches_are_cut_by_true_size_and_hold_every_document_in_order(
    kind: str, dumps: Dumps, layout: Layout, datas: list[Any], max_events: int, room: int
) -> None:
    format = made(kind, layout, dumps)
    events = [guide_event(data=data, id=f"id-{n}") for n, data in enumerate(datas)]
    longest = max(len(format.encode(event)) for event in events)
    bounds = Bounds(format.limits)
    bounds.max_events = max_events
    bounds.max_bytes = longest + bounds.fixed + room
    batches = cut_by(format, bounds, events)
    read_back = []
    for batch in batches:
        body = batch.body(format)
        assert len(body) == bounds.size([item.part for item in batch.items]) <= bounds.max_bytes
        assert 1 <= len(batch) <= max_events
        read_back += read(format, body)
    assert read_back == [json.loads(format.encode(event)) for event in events]
    for batch, following in pairwise(batches):  # none could have held one more
        grown = [item.part for item in (*batch.items, following.items[0])]
        assert len(batch) == max_events or len(format.join(grown)) > bounds.max_bytes


# --- Lines.


def line_of(data: bytes, **changes: Any) -> Line:
    settings = {"type": "t", "timestamp": "2025-10-29T12:00:00Z", "id": "id-1"}
    return Line(data=msgspec.Raw(data), **(settings | changes))


@given(
    layout=st.sampled_from([None, *LAYOUTS]),
    data=EVENT_DATA,
    severity=st.sampled_from(["debug", "critical"]),
    type=st.text(min_size=1),
)
def test_a_line_is_written_as_its_event_would_be(
    layout: Layout | None, data: dict[str, Any], severity: Any, type: str
) -> None:
    data = json.loads(json.dumps(data).replace("\\ud", "d"))  # a line has no lone surrogates
    type = type.encode("utf-8", "ignore").decode() or "t"
    format = JsonFormat(layout=layout)
    assert isinstance(format, Lined)
    raw = json.dumps(data, ensure_ascii=False).encode()
    line = line_of(raw, severity=severity, type=type, source="scanner")
    part = parts_of(format, [line])[0]
    assert part is not None
    assert raw in part  # byte for byte
    expected = guide_event(
        data=data, severity=severity, timestamp=line.timestamp, source="scanner", id=line.id
    )
    expected = msgspec.structs.replace(expected, type=type)
    assert json.loads(part) == json.loads(format.encode(expected))


def test_where_bodies_are_signed_a_line_is_made_an_event_first() -> None:
    format = JsonFormat(layout="array", dumps=canonical_json)
    assert parts_of(format, [line_of(b'{"b":1, "a":2}')])[0] is None


def test_data_written_over_several_lines_is_not_put_in_one() -> None:
    line = line_of(b'{"a":\n1}')
    assert parts_of(JsonFormat(layout="ndjson"), [line])[0] is None
    assert json.loads(parts_of(JsonFormat(layout="array"), [line])[0] or b"")["data"] == {"a": 1}
    format = JsonFormat(layout="ndjson")
    (batch,) = cut_by(format, Bounds(format.limits), [line, line])
    assert [document["data"] for document in read(format, batch.body(format))] == [{"a": 1}] * 2


# --- The answer.


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_status_decides_for_all(layout: Layout) -> None:
    format = FunctionFormat(dict, layout=layout)
    batch = batch_of(format, guide_event(), guide_event(), guide_event())
    assert format.settle(Response(202), batch) == [Delivered(202)] * 3
    for status in (400, 413, 422):
        outcomes = format.settle(Response(status), batch)
        assert len(outcomes) == 3
        for outcome in outcomes:  # it may be one event's fault
            assert isinstance(outcome, Rejected)
            assert outcome.reason.shared
    throttled = format.settle(Response(429), batch)[2]
    assert isinstance(throttled, Deferred)
    assert throttled.reason.kind is ReasonKind.THROTTLED
