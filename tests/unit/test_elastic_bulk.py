"""Bulk: an action line and a document line for each event, where the URL ends in `/_bulk`."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.awkward import DATA, EVENT_DATA
from support.heart import batch_of, guide_event, parts_of, refusal
from vaulytica.delivery.batching import Bounds
from vaulytica.delivery.ports import Addressed, Grouped, Lined
from vaulytica.errors import WebhookConfigError, WebhookEventError
from vaulytica.events import Event
from vaulytica.formats.elastic import EcsFormat, ElasticFormat, ElasticOptions
from vaulytica.jsonvalues import canonical_json, compact_json
from vaulytica.lines import Line

FORMATS = (ElasticFormat, EcsFormat)
URL = "https://search.example.com/events/_bulk"
ROOT = "https://search.example.com/_bulk"


@pytest.fixture(params=FORMATS, ids=lambda kind: kind.name)
def made(request: pytest.FixtureRequest) -> Any:
    def make(url: str = URL, index: str | None = None, **settings: Any) -> Any:
        return request.param(url=url, options=ElasticOptions(index=index), **settings)

    return make


def line_of(event: Event) -> Line:
    return Line(
        type=event.type,
        data=msgspec.Raw(compact_json(event.data)),
        severity=event.severity.value,
        timestamp=event.rfc3339,
        id=event.id,
        source=event.source,
        metadata=event.metadata,
    )


def lines(body: bytes) -> list[Any]:
    assert body.endswith(b"\n")
    return [json.loads(line) for line in body[:-1].split(b"\n")]


# --- The body.


@pytest.mark.parametrize("dumps", [compact_json, canonical_json])
def test_each_event_is_an_action_and_its_document(made: Any, dumps: Any) -> None:
    format, single = made(dumps=dumps), made(url="https://search.example.com/events/_doc")
    events = [guide_event(id=f"e-{n}", type=f"type{n}") for n in range(3)]
    body = format.join([format.encode(event) for event in events])
    expected = []
    for event in events:
        expected += [{"create": {"_id": event.id}}, json.loads(single.encode(event))]
    assert lines(body) == expected
    if dumps is canonical_json:
        assert body == b"".join(canonical_json(line) + b"\n" for line in expected)


def test_the_guides_document_is_the_same_as_ever() -> None:
    event = guide_event()
    document = ElasticFormat().document(event)
    assert ElasticFormat().encode(event) == compact_json(document)
    assert ElasticFormat(dumps=canonical_json).encode(event) == canonical_json(document)
    assert ElasticFormat(url=URL).encode(event).split(b"\n")[1] == compact_json(document)


@pytest.mark.parametrize("id", ['say"so', "back\\slash", "{}", "?", "e-1", "'/"])
@pytest.mark.parametrize("dumps", [compact_json, canonical_json])
def test_any_id_is_its_id(made: Any, id: str, dumps: Any) -> None:
    for index in (None, "logs"):
        part = made(index=index, dumps=dumps).encode(guide_event(id=id))
        place = {"_id": id} if index is None else {"_index": index, "_id": id}
        assert part.split(b"\n")[0] == dumps({"create": place})


def test_what_is_asked_of_an_answer_and_of_requests(made: Any) -> None:
    bulk, single = made(), made(url="https://search.example.com/events/_doc")
    assert bulk.content_type == "application/x-ndjson"
    assert bulk.limits.max_events == 1000
    assert bulk.limits.max_bytes < 10 * 1024 * 1024
    assert single.content_type == "application/json"
    assert single.limits.max_events == 1
    assert bulk.answer_bytes >= 1000 * 8192
    assert not hasattr(single, "answer_bytes")
    assert isinstance(bulk, Addressed)
    assert not isinstance(single, Addressed)
    assert isinstance(bulk, Lined)
    assert not isinstance(bulk, Grouped)


@given(st.lists(EVENT_DATA, min_size=1, max_size=4))
def test_the_size_that_batches_are_cut_by_is_the_true_one(data: list[dict[str, Any]]) -> None:
    for kind in FORMATS:
        format = kind(url=URL)
        batch = batch_of(format, *(guide_event(data=one) for one in data))
        parts = [item.part for item in batch.items]
        assert Bounds(format.limits).size(parts) == len(batch.body(format))
        assert len(lines(batch.body(format))) == 2 * len(data)


# --- Lines.


@given(data=EVENT_DATA, type=st.text(min_size=1).filter(str.strip))
def test_a_line_is_written_as_its_event(data: dict[str, Any], type: str) -> None:
    for kind in FORMATS:
        for format in (kind(), kind(url=URL), kind(url=ROOT, options=ElasticOptions(index="l"))):
            event = guide_event(data=data, type=type)
            if b"\\u" in compact_json(data):
                continue  # no line is made of such data
            (written,) = parts_of(format, [line_of(event)])
            assert written == format.encode(event)


def test_a_lines_data_is_left_as_it_was_read(made: Any) -> None:
    raw = b' { "a" : 1.50,\t"b":"\xc3\xa9" } '
    line = Line(type="t", data=msgspec.Raw(raw), timestamp="2025-10-29T12:00:00Z", id="e-1")
    assert parts_of(made(), [line])[0].count(raw) == 1
    assert parts_of(made(url=""), [line])[0].count(raw) == 1


@pytest.mark.parametrize("raw", [b'{"a":\n1}', b"{\n}"])
def test_data_of_several_lines_is_read_as_an_event(made: Any, raw: bytes) -> None:
    line = Line(type="t", data=msgspec.Raw(raw), timestamp="2025-10-29T12:00:00Z", id="e-1")
    assert parts_of(made(), [line])[0] is None
    assert made().encode(line.event()).count(b"\n") == 2


def test_lines_that_are_not_as_plain_are_read_as_events(made: Any) -> None:
    line = line_of(guide_event())
    assert parts_of(made(dumps=canonical_json), [line])[0] is None
    assert parts_of(made(url=ROOT, index="logs-{data.owner}"), [line])[0] is None
    assert parts_of(made(), [line_of(guide_event(metadata={"index": "x"}))])[0] is None


def test_a_line_that_gives_no_index_leaves_its_neighbours_alone(made: Any) -> None:
    format = made(url=ROOT, index="{type}")
    events = [guide_event(type=type) for type in ("a", "x" * 300, "b")]
    parts = parts_of(format, [line_of(event) for event in events])
    assert parts == [format.encode(events[0]), None, format.encode(events[2])]
    assert refusal(WebhookEventError, lambda: format.encode(events[1])) is not None


@pytest.mark.parametrize("severity", ["debug", "info", "warning", "error", "critical"])
def test_a_line_after_an_event_of_another_kind_is_its_own(made: Any, severity: str) -> None:
    format = made(url=ROOT, index="{type}-{severity}-{date:%d}")
    for type in ("a", "b", "a"):
        for stamp in ("2025-10-29T12:00:00Z", "2025-10-30T12:00:00Z"):
            event = guide_event(type=type, severity=severity, timestamp=stamp)
            assert parts_of(format, [line_of(event)]) == [format.encode(event)]
            action, _ = lines(format.encode(event))
            assert action["create"]["_index"] == f"{type}-{severity}-{stamp[8:10]}"


def test_what_is_kept_is_bounded() -> None:
    format = ElasticFormat(url=ROOT, options=ElasticOptions(index="{type}"))
    for n in range(9000):
        format.encode(guide_event(type=f"t{n}"))
    format.encode(guide_event(type="t" * 250 + "x", source="s" * 5000))
    assert len(format._heads) <= 4096
    assert len(format._actions._kept) <= 4096


# --- Where it goes.


def test_the_answer_is_asked_to_be_short(made: Any) -> None:
    format = made()
    batch = batch_of(format, guide_event())
    url, headers = format.address(URL, batch)
    assert headers == ()
    assert urlsplit(url)[:3] == urlsplit(URL)[:3]
    (wanted,) = parse_qs(urlsplit(url).query)["filter_path"]
    assert {"errors", "items.*.status", "items.*.error", "items.*._id"} <= set(wanted.split(","))
    assert "items.*.failure_store" in wanted


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("pipeline=geo", "pipeline=geo&filter_path="),
        ("pipeline=a%20b&refresh=true", "pipeline=a%20b&refresh=true&filter_path="),
        ("filter_path=items", "filter_path=items"),
        ("a=b&filter_path=", "a=b&filter_path="),
    ],
)
def test_the_users_own_query_is_kept(made: Any, query: str, kept: str) -> None:
    format = made(url=f"{URL}?{query}")
    url, _ = format.address(f"{URL}?{query}", batch_of(format, guide_event()))
    assert urlsplit(url).query.startswith(kept)
    assert url.count("filter_path=") == 1
    assert ("status" in url) is ("filter_path" not in query)


@pytest.mark.parametrize(
    ("url", "index", "bulk"),
    [
        (URL, None, True),
        (f"{URL}/", None, True),
        (f"{URL}?pipeline=x", None, True),
        (ROOT, "logs", True),
        ("https://x.example/insert/elasticsearch/_bulk", None, True),
        ("https://x.example/events/_doc", None, False),
        ("https://x.example/events/_create/_bulk/1", None, False),
        ("https://x.example/not_bulk", None, False),
        ("https://x.example/?_bulk", None, False),
    ],
)
def test_the_urls_path_decides(made: Any, url: str, index: str | None, bulk: bool) -> None:
    assert (made(url, index).encode(guide_event())[-1:] == b"\n") is bulk


@pytest.mark.parametrize("url", [ROOT, f"{ROOT}/", f"{ROOT}?pipeline=x"])
def test_a_bulk_without_any_index_is_refused(made: Any, url: str) -> None:
    why = refusal(WebhookConfigError, lambda: made(url))
    assert why is not None
    assert "index" in why
    assert "/<index>/_bulk" in why


def test_an_index_without_a_bulk_is_refused(made: Any) -> None:
    why = refusal(WebhookConfigError, lambda: made("https://x.example/a/_doc", "logs"))
    assert why is not None
    assert "/_bulk" in why
    single = made("https://x.example/a/_doc")
    event = guide_event(metadata={"index": "logs"})
    assert refusal(WebhookEventError, lambda: single.encode(event)) is not None
    assert single.encode(guide_event(metadata={"host": "of another format"}))


def test_an_events_own_index_comes_first(made: Any) -> None:
    for index in (None, "logs", "{type}", "{data.owner}"):
        format = made(index=index)
        action, _ = lines(format.encode(guide_event(id="e-1", metadata={"index": "mine"})))
        assert action == {"create": {"_index": "mine", "_id": "e-1"}}
        assert b"mine" not in format.encode(guide_event(metadata={"index": None}))


@pytest.mark.parametrize("index", ["", "Upper", "a b", "-x", "..", 5, ["a"], "x" * 256, 'a"b'])
def test_an_events_own_index_that_is_none_is_refused(made: Any, index: object) -> None:
    event = guide_event(metadata={"index": index})
    why = refusal(WebhookEventError, lambda: made().encode(event))
    assert why is not None
    assert "index" in why


@pytest.mark.parametrize("data", DATA.values(), ids=DATA)
def test_awkward_data_stays_on_its_line(made: Any, data: dict[str, Any]) -> None:
    for dumps in (compact_json, canonical_json):
        _, document = lines(made(dumps=dumps).encode(guide_event(data=data)))
        assert json.dumps(document["vaulytica"], sort_keys=True) == json.dumps(data, sort_keys=True)
