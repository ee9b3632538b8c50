"""Bulk, lines of JSON, HEC and Datadog's logs against VictoriaLogs, which speaks some of each."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from interop.events import some_events
from interop.programs import VictoriaLogs, ask
from interop.sending import by_command, by_library

_EVENTS = range(len(some_events()))
_TOO_LONG = 300_000  # VictoriaLogs skips lines of over 256 KiB


def _bulk(program: VictoriaLogs, **more: Any) -> dict[str, Any]:
    url = f"{program.url}/insert/elasticsearch/_bulk?_time_field=@timestamp&_msg_field=message"
    return {"url": url, "format": "elastic", "format_options": {"index": "any"}, **more}


def _hec(program: VictoriaLogs) -> dict[str, Any]:
    url = f"{program.url}/services/collector/event"
    if ask(url, {"event": {"number": -1}})[0] != 200:
        pytest.skip("this VictoriaLogs speaks no HEC")
    return {"url": url, "format": "splunk_hec"}


@pytest.mark.parametrize("format", ["elastic", "ecs"])
@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_every_event_of_a_bulk_is_there_once(
    victorialogs: VictoriaLogs, format: str, compression: str
) -> None:
    config = _bulk(victorialogs, compression=compression) | {"format": format}
    report = by_library(config, some_events())
    assert report.complete, report.undelivered[:3]
    assert victorialogs.numbers("vaulytica.number") == Counter(_EVENTS)


def test_every_line_of_a_bulk_is_there_once(victorialogs: VictoriaLogs, tmp_path: Path) -> None:
    outcomes = by_command(_bulk(victorialogs), some_events(), tmp_path)
    assert Counter(outcomes.values()) == {"delivered": len(_EVENTS)}
    assert victorialogs.numbers("vaulytica.number") == Counter(_EVENTS)


def test_what_is_said_of_each_event_is_true_where_it_leaves_one_out(
    victorialogs: VictoriaLogs,
) -> None:
    # It skips the long document, and takes those before it: then it says 400, or an empty 200.
    # Sent again, those are there twice, as VictoriaLogs knows no ids.
    texts = {number: "x" * (_TOO_LONG if number == 5 else 5) for number in range(10)}
    events = [{"type": "t", "data": {"number": n, "text": text}} for n, text in texts.items()]
    report = by_library(_bulk(victorialogs, retry_config={"max_retries": 0}), events)
    there = victorialogs.numbers("vaulytica.number")
    assert {result.position for result in report.results if result.delivered} <= there.keys()
    assert report.results[5].reason is not None
    assert 5 not in there


def test_every_event_of_hec_is_there_once(victorialogs: VictoriaLogs) -> None:
    report = by_library(_hec(victorialogs), some_events())
    assert report.complete, report.undelivered[:3]
    numbers = victorialogs.numbers("event.number")
    del numbers[-1]
    assert numbers == Counter(_EVENTS)


def test_every_event_of_ndjson_is_there_once(victorialogs: VictoriaLogs) -> None:
    url = f"{victorialogs.url}/insert/jsonline?_time_field=timestamp&_msg_field=event_type"
    config = {"url": url, "format": "json", "batch": {"max_events": 500, "as": "ndjson"}}
    report = by_library(config, some_events())
    assert report.complete, report.undelivered[:3]
    assert victorialogs.numbers("data.number") == Counter(_EVENTS)


def test_what_it_refuses_of_datadogs_logs_is_rejected_in_its_words(
    victorialogs: VictoriaLogs,
) -> None:
    # Its reader takes attributes that are texts only; Datadog's takes any.
    url = f"{victorialogs.url}/insert/datadog/api/v2/logs"
    report = by_library({"url": url, "format": "datadog_logs"}, some_events()[:20])
    assert len(report.rejected) == 20
    assert "cannot read DataDog protocol data" in report.rejected[0].reason.text
    assert not victorialogs.numbers("vaulytica.number")
