"""`splunk_hec` against the OpenTelemetry Collector's HEC receiver."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from interop.events import some_events
from interop.programs import Collector, plain
from interop.sending import by_command, by_library
from vaulytica.integrations.webhook import WebhookConfig, WebhookSender

_EVENTS = range(len(some_events()))


def _config(url: str, **more: Any) -> dict[str, Any]:
    return {"url": url, "format": "splunk_hec", **more}


def _numbers(records: list[dict[str, Any]]) -> Counter[int]:
    return Counter(int(plain(record["body"])["number"]) for record in records)


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_every_event_arrives_once(collector: Collector, compression: str) -> None:
    with collector.started():
        report = by_library(_config(collector.url, compression=compression), some_events())
    assert report.complete, report.undelivered[:3]
    assert _numbers(collector.arrived()) == Counter(_EVENTS)


def test_every_line_arrives_once(collector: Collector, tmp_path: Path) -> None:
    with collector.started():
        outcomes = by_command(_config(collector.url), some_events(), tmp_path)
    assert Counter(outcomes.values()) == {"delivered": len(_EVENTS)}
    assert _numbers(collector.arrived()) == Counter(_EVENTS)


@pytest.mark.parametrize("as_lines", [False, True])
def test_what_arrives_is_what_was_sent(
    collector: Collector, tmp_path: Path, as_lines: bool
) -> None:
    events = some_events()
    options = {"index": "main", "host": "here", "fields": {"team": "blue"}}
    with collector.started():
        config = _config(collector.url, format_options=options)
        if as_lines:
            by_command(config, events, tmp_path)
        else:
            by_library(config, events)
    envelope = {"event_type", "severity", "timestamp"}
    for record in collector.arrived():
        body = plain(record["body"])
        event = events[int(body["number"])]
        data = json.loads(json.dumps(event["data"]), parse_int=float)  # as the collector reads it
        sent = {(f"data.{k}" if k in envelope else k): v for k, v in data.items()}
        assert {k: v for k, v in body.items() if k not in envelope} == sent
        assert (body["event_type"], body["severity"]) == (event["type"], event["severity"])
        assert int(record["timeUnixNano"]) / 1e9 == pytest.approx(event["timestamp"], abs=0.0006)
        where = {a["key"]: plain(a["value"]) for a in record["resource"]["attributes"]}
        assert (where["com.splunk.index"], where["host.name"]) == ("main", "here")
        assert plain({"kvlistValue": {"values": record["attributes"]}}) == {"team": "blue"}


def test_an_event_that_names_its_own_place_goes_there(collector: Collector) -> None:
    metadata = {"index": "other", "sourcetype": "mine", "fields": {"n": 1, "list": ["a", "b"]}}
    entry = {"type": "t", "data": {"number": 0}, "metadata": metadata}
    with collector.started():
        assert by_library(_config(collector.url), [entry]).complete
    (record,) = collector.arrived()
    where = {a["key"]: plain(a["value"]) for a in record["resource"]["attributes"]}
    assert (where["com.splunk.index"], where["com.splunk.sourcetype"]) == ("other", "mine")
    fields = plain({"kvlistValue": {"values": record["attributes"]}})
    assert fields == {"n": 1.0, "list": ["a", "b"]}


def test_a_body_that_is_too_large_is_cut_until_it_is_taken(collector: Collector) -> None:
    # The collector says code 6 of it, as of broken JSON, names no event, and takes none.
    too_long = {"type": "t", "id": "too-long", "data": {"number": -1, "text": "x" * 150_000}}
    events = some_events()
    events.insert(1000, too_long)
    with collector.started(max_body=100_000):
        report = by_library(_config(collector.url), events)
    assert [result.event_id for result in report.rejected] == ["too-long"]
    assert int(report) == len(_EVENTS)
    assert _numbers(collector.arrived()) == Counter(_EVENTS)


def test_acknowledged_events_arrive_once(collector: Collector) -> None:
    options = {"ack": True, "ack_interval": 0.05}
    with collector.started(ack=True):
        report = by_library(_config(collector.url, format_options=options), some_events())
    assert report.complete, report.undelivered[:3]
    assert _numbers(collector.arrived()) == Counter(_EVENTS)


def test_without_acknowledgements_to_be_had_it_is_said_of_each_that_it_was_taken(
    collector: Collector,
) -> None:
    with collector.started(ack=False):
        config = _config(collector.url, format_options={"ack": True, "ack_timeout": 1})
        report = by_library(config, some_events()[:5])
    assert int(report) == 5
    assert all("ackId" in str(result.note) for result in report.noted)
    assert len(report.noted) == 5


def test_raw_events_arrive_as_lines(collector: Collector) -> None:
    with collector.started():
        report = by_library(_config(f"{collector.url}/raw"), some_events())
    assert report.complete, report.undelivered[:3]
    assert len(collector.arrived()) == len(_EVENTS)


def test_check_finds_it_well(collector: Collector) -> None:
    with (
        collector.started(),
        WebhookSender(WebhookConfig(**_config(collector.url, compression="gzip"))) as sender,
    ):
        assert sender.check().ok
