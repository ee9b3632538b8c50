"""Splunk HEC: how events are written, where their metadata puts them, and which share a request."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from support.heart import guide_event, refusal
from vaulytica.delivery.batching import Bounds
from vaulytica.delivery.cutting import Cutter
from vaulytica.delivery.ports import Addressed, Confirmed, Grouped, Lined
from vaulytica.errors import WebhookConfigError, WebhookEventError
from vaulytica.events import Event
from vaulytica.formats.splunk_hec import SplunkHecFormat, SplunkOptions
from vaulytica.jsonvalues import canonical_json

URL = "https://splunk.example.com:8088/services/collector/event"
RAW = "https://splunk.example.com:8088/services/collector/raw"
GUID = "0aa5ad9f-79b6-4a6c-9ac6-8f0a8aa1b1c5"


def made(url: str = URL, **options: Any) -> SplunkHecFormat:
    return SplunkHecFormat(options=msgspec.convert(options, SplunkOptions), url=url)


def document(format: SplunkHecFormat, **changes: Any) -> Any:
    return json.loads(format.encode(guide_event(**changes)))


# --- Where events are put.

PLACE = {"index": "sec", "sourcetype": "vaulytica", "host": "gate", "source": "scanner"}


def test_without_settings_it_is_the_guides_document() -> None:
    body = made().encode(guide_event())
    assert body.startswith(
        b'{"time":1761739200,"host":"vaulytica","source":"vaulytica",'
        b'"sourcetype":"vaulytica:file_shared_externally","event":{"event_type":'
    )
    assert list(json.loads(body)) == ["time", "host", "source", "sourcetype", "event"]


def test_the_settings_say_where_all_events_go() -> None:
    found = document(made(**PLACE, fields={"team": "blue"}), source="of the event")
    assert {name: found[name] for name in PLACE} == PLACE
    assert found["fields"] == {"team": "blue"}


def test_an_events_own_metadata_comes_before_the_settings() -> None:
    format = made(**PLACE, fields={"team": "blue", "tier": 1})
    own = {"index": "main", "host": "h", "fields": {"team": "red", "tags": ["a", 2, True]}}
    found = document(format, metadata=own)
    assert [found[name] for name in PLACE] == ["main", "vaulytica", "h", "scanner"]
    assert found["fields"] == {"team": "red", "tier": 1, "tags": ["a", 2, True]}
    assert "fields" not in found["event"]
    assert document(format)["fields"] == {"team": "blue", "tier": 1}


def test_metadata_for_others_and_without_a_value_changes_nothing() -> None:
    event = guide_event()
    other = Event.create(
        event.type,
        event.data,
        event.severity,
        timestamp=event.timestamp,
        metadata={"pipeline": "x", "time": 5, "index": None, "fields": None},
    )
    assert made().encode(other) == made().encode(event)


@pytest.mark.parametrize(
    ("metadata", "what"),
    [
        ({"index": 5}, "index"),
        ({"index": ""}, "index"),
        ({"host": ["a"]}, "host"),
        ({"source": {}}, "source"),
        ({"sourcetype": False}, "sourcetype"),
        ({"fields": "a=b"}, "fields must be an object"),
        ({"fields": {"a": {"b": 1}}}, "fields must be flat for Splunk: 'a'"),
        ({"fields": {"a": [["b"]]}}, "fields must be flat for Splunk: 'a'"),
        ({"fields": {"a": None}}, "fields must be flat for Splunk: 'a'"),
        ({"fields": {"": 1}}, "empty name"),
    ],
)
def test_metadata_of_the_wrong_kind_is_refused_for_that_event(metadata: Any, what: str) -> None:
    event = guide_event(metadata=metadata)
    with pytest.raises(WebhookEventError, match=what) as caught:
        made().encode(event)
    assert caught.value.event_id == event.id


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"index": ""}, "index is empty"),
        ({"fields": {"a": {"b": 1}}}, "fields must be flat"),
        ({"fields": {"a": [{}]}}, "fields must be flat"),
        ({"fields": {"a": float("nan")}}, "fields must be flat"),
        ({"ack_timeout": 0}, "ack_timeout"),
        ({"ack_timeout": float("nan")}, "ack_timeout"),
        ({"ack_interval": -1}, "ack_interval"),
        ({"ack_interval": float("inf")}, "ack_interval"),
        ({"channel": "mine"}, "GUID"),
        ({"channel": f"{GUID}\n"}, "GUID"),
    ],
)
def test_settings_that_cannot_work_are_refused(options: dict[str, Any], what: str) -> None:
    message = refusal(WebhookConfigError, lambda: made(**options))
    assert message is not None
    assert what in message


def test_acknowledgement_needs_a_collectors_url() -> None:
    for url in ("", "https://example.com/hook"):
        message = refusal(WebhookConfigError, lambda url=url: made(url, ack=True))
        assert message is not None
        assert "/services/collector" in message


def test_unknown_and_mistyped_settings_are_refused_by_their_types() -> None:
    for options in ({"idnex": "a"}, {"index": 5}, {"ack": "yes"}, {"fields": ["a"]}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(options, SplunkOptions)


# --- Batches.


def test_a_batch_is_one_object_after_another() -> None:
    for format in (made(), SplunkHecFormat(dumps=canonical_json)):
        parts = [format.encode(guide_event(type=f"t{n}")) for n in range(3)]
        body = format.join(parts)
        lines = body.split(b"\n")
        assert lines == parts
        assert Bounds(format.limits).size(parts) == len(body)
    assert lines[0] == json.dumps(json.loads(lines[0]), sort_keys=True).encode()


def test_signed_events_go_alone_since_the_guides_verifier_reads_one_document() -> None:
    assert SplunkHecFormat(dumps=canonical_json).limits.max_events == 1
    assert made().limits.max_events == 1000


def test_events_that_name_an_index_travel_apart() -> None:
    format = made(index="sec")
    batches: list[Any] = []
    cutter = Cutter(
        format,
        Bounds(format.limits),
        10**6,
        max_part_bytes=10**6,
        ready=batches.append,
        unfit=batches.append,
    )
    for n, index in enumerate(["a", None, "b", "a", None, "b"]):
        metadata = {"index": index, "host": f"h{n}"} if index else {"host": f"h{n}"}
        cutter.add(guide_event(metadata=metadata), 0.0)
    cutter.flush()
    assert [[item.position for item in batch.items] for batch in batches] == [
        [0, 3],
        [1, 4],
        [2, 5],
    ]


# --- What there is depends on the settings.


def test_it_can_only_what_its_settings_need() -> None:
    for format, lined, addressed, confirmed in [
        (made(), True, False, False),
        (SplunkHecFormat(dumps=canonical_json), False, False, False),
        (made(ack=True), True, True, True),
        (made(RAW), False, True, False),
        (made(RAW, ack=True), False, True, True),
    ]:
        assert isinstance(format, Grouped)
        assert isinstance(format, Lined) is lined
        assert isinstance(format, Addressed) is addressed
        assert isinstance(format, Confirmed) is confirmed
