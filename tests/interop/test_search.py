"""Bulk and ECS against Elasticsearch or OpenSearch."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from interop.ecs import mapping
from interop.events import some_events
from interop.programs import Search, ask, asked
from interop.sending import by_command, by_library

_EVENTS = range(len(some_events()))
# Real events of many kinds do not fit one index; what is in it is not what is tested here.
_ANY_DATA = {"properties": {"vaulytica": {"type": "object", "enabled": False}}}
_DELIVERED = {"delivered": len(_EVENTS)}


def _bulk(search: Search, **more: Any) -> dict[str, Any]:
    return {"url": search.bulk, "format": "elastic", **more}


@pytest.mark.parametrize("format", ["elastic", "ecs"])
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_every_event_is_there_once_however_often_it_is_sent(
    search: Search, format: str, compression: str
) -> None:
    search.prepare(_ANY_DATA)
    config = _bulk(search, compression=compression) | {"format": format}
    for again in (False, True):
        report = by_library(config, some_events())
        assert report.complete, report.undelivered[:3]
        assert len(report.noted) == (len(_EVENTS) if again else 0)
        assert search.numbers() == Counter(_EVENTS)


@pytest.mark.parametrize("format", ["elastic", "ecs"])
def test_every_line_is_there_once(search: Search, tmp_path: Path, format: str) -> None:
    search.prepare(_ANY_DATA)
    outcomes = by_command(_bulk(search) | {"format": format}, some_events(), tmp_path)
    assert Counter(outcomes.values()) == _DELIVERED
    assert search.numbers() == Counter(_EVENTS)


def test_what_is_there_is_what_was_sent(search: Search) -> None:
    search.prepare(_ANY_DATA)
    events = some_events()
    by_library(_bulk(search), events)
    for number in range(0, len(events), 7):
        path = f"{search.url}/{search.index}/_doc/interop-{number}"
        assert asked(path)["_source"]["vaulytica"] == events[number]["data"]


def test_events_that_do_not_fit_are_rejected_and_their_neighbours_are_there(
    search: Search,
) -> None:
    whole = {"vaulytica": {"properties": {"count": {"type": "long"}}}}
    search.prepare({"dynamic": False, "properties": whole})
    events = [
        {
            "type": "t",
            "id": f"interop-{number}",
            "data": {"number": number, "count": "many" if number % 10 == 3 else number},
        }
        for number in range(3000)
    ]
    report = by_library(_bulk(search), events)
    refused = {number for number in range(3000) if number % 10 == 3}
    assert {result.position for result in report.rejected} == refused
    assert all("count" in result.reason.text for result in report.rejected)
    assert search.numbers() == Counter(set(range(3000)) - refused)


def test_what_is_said_of_each_event_is_true_where_real_events_share_an_index(
    search: Search,
) -> None:
    search.prepare({}, {"index.mapping.total_fields.limit": 200})  # by far too few for them
    report = by_library(_bulk(search), some_events())
    delivered = {result.position for result in report.results if result.delivered}
    assert 0 < len(delivered) < len(_EVENTS)
    assert len(report.rejected) == len(_EVENTS) - len(delivered)
    assert search.numbers() == Counter(delivered)


def test_data_streams_take_every_event_once(search: Search) -> None:
    template = {"mappings": _ANY_DATA}
    body = {"index_patterns": [search.index], "data_stream": {}, "template": template}
    if ask(f"{search.url}/_index_template/{search.index}", body, "PUT")[0] != 200:
        pytest.skip("no data streams here")
    for _ in range(2):
        assert by_library(_bulk(search), some_events()).complete
        assert search.numbers() == Counter(_EVENTS)


def test_an_index_for_each_day_takes_its_events(search: Search) -> None:
    pattern = f"{search.index}-{{date:%Y.%m.%d}}"
    config = {
        "url": f"{search.url}/_bulk",
        "format": "elastic",
        "format_options": {"index": pattern},
    }
    times = ["2025-10-29T23:59:59.999Z", "2025-10-30T00:00:00Z"]
    events = [{"type": "t", "data": {"number": 0}, "timestamp": time} for time in times]
    days = [f"{search.index}-2025.10.29", f"{search.index}-2025.10.30"]
    try:
        assert by_library(config, events).complete
        for day in days:
            asked(f"{search.url}/{day}/_refresh", {})
            assert asked(f"{search.url}/{day}/_count")["count"] == 1
    finally:
        for day in days:
            ask(f"{search.url}/{day}", method="DELETE")


def test_what_is_over_its_limit_of_a_request_is_cut_until_it_fits(search: Search) -> None:
    search.prepare(_ANY_DATA)
    nodes = asked(f"{search.url}/_nodes/http")["nodes"].values()
    limit = min(node["http"]["max_content_length_in_bytes"] for node in nodes)
    if limit > 4_000_000:
        pytest.skip(f"start it with http.max_content_length of 1mb; it takes {limit} bytes")
    events = some_events()
    too_long = {"type": "t", "id": "long", "data": {"number": -1, "text": "x" * (limit + 1)}}
    report = by_library(_bulk(search), [*events[:1000], too_long, *events[1000:]])
    assert [result.event_id for result in report.rejected] == ["long"]
    assert search.numbers() == Counter(_EVENTS)


def test_ecs_documents_fit_elastics_own_fields_and_no_others(
    search: Search, ecs_flat: Path
) -> None:
    search.prepare(mapping(ecs_flat), {"index.mapping.total_fields.limit": 5000})
    report = by_library(_bulk(search) | {"format": "ecs"}, some_events())
    assert report.complete, report.undelivered[:3]
    assert search.numbers() == Counter(_EVENTS)
