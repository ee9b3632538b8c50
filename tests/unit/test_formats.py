"""What the readings say of each format beyond the guide's examples: times, severities, clashes, limits."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from support.awkward import DATA, EVENT_DATA
from support.heart import GUIDE_EPOCH, guide_event
from vaulytica.formats import FORMATS
from vaulytica.formats.datadog import CUT_MARK


def document(name: str, **changes: Any) -> Any:
    return json.loads(FORMATS.load(name)().encode(guide_event(**changes)))


# --- Times.


@pytest.mark.parametrize(
    ("timestamp", "text", "time", "seconds"),
    [
        ("2025-10-29T12:00:00Z", "2025-10-29T12:00:00Z", GUIDE_EPOCH, GUIDE_EPOCH),
        ("2025-10-29T14:00:00.5+02:00", "2025-10-29T12:00:00.500Z", GUIDE_EPOCH + 0.5, GUIDE_EPOCH),
        ("2025-10-29T12:00:00.999Z", "2025-10-29T12:00:00.999Z", GUIDE_EPOCH + 0.999, GUIDE_EPOCH),
        ("1969-12-31T23:59:59.750Z", "1969-12-31T23:59:59.750Z", -0.25, -1),
    ],
)
def test_all_tell_the_same_instant(timestamp: str, text: str, time: float, seconds: int) -> None:
    assert document("json", timestamp=timestamp)["timestamp"] == text
    assert document("elastic", timestamp=timestamp)["@timestamp"] == text
    splunk = document("splunk_hec", timestamp=timestamp)
    assert splunk["event"]["timestamp"] == text
    assert splunk["time"] == time
    assert type(splunk["time"]) is type(time)
    datadog = document("datadog", timestamp=timestamp)
    assert datadog["date_happened"] == seconds
    assert type(datadog["date_happened"]) is int


def test_splunks_time_has_three_decimals_at_most() -> None:
    for milliseconds in range(1, 1000, 7):
        stamp = f"2025-10-29T12:00:00.{milliseconds:03d}Z"
        body = FORMATS.load("splunk_hec")().encode(guide_event(timestamp=stamp))
        written = body.split(b'"time":')[1].split(b",")[0].decode()
        assert written.ljust(14, "0") == f"{GUIDE_EPOCH}.{milliseconds:03d}"


# --- Severities.


@pytest.mark.parametrize(
    ("severity", "level", "alert_type"),
    [
        ("debug", 0, "info"),
        ("info", 1, "info"),
        ("warning", 2, "warning"),
        ("error", 3, "error"),
        ("critical", 4, "error"),
    ],
)
def test_severities(severity: str, level: int, alert_type: str) -> None:
    given = severity.upper()
    assert document("json", severity=given)["severity"] == severity
    assert document("splunk_hec", severity=given)["event"]["severity"] == severity
    assert document("elastic", severity=given)["event"]["severity"] == level
    datadog = document("datadog", severity=given)
    assert datadog["alert_type"] == alert_type
    assert f"severity:{severity}" in datadog["tags"]


# --- The source.


def test_an_events_own_source() -> None:
    assert document("json", source="scanner")["source"] == "scanner"
    assert document("splunk_hec", source="scanner")["source"] == "scanner"
    assert document("splunk_hec", source="scanner")["host"] == "vaulytica"
    assert document("datadog", source="scanner")["tags"][2] == "source:scanner"


# --- Splunk: data never overwrites the envelope.


def test_clashing_keys_go_under_data() -> None:
    data = {"event_type": "forged", "severity": "info", "timestamp": 0, "owner": "o"}
    event = document("splunk_hec", data=data)["event"]
    assert event == {
        "event_type": "file_shared_externally",
        "severity": "warning",
        "timestamp": "2025-10-29T12:00:00Z",
        "data.event_type": "forged",
        "data.severity": "info",
        "data.timestamp": 0,
        "owner": "o",
    }


@pytest.mark.parametrize(
    "data",
    [
        {"severity": 1, "data.severity": 2},
        {"data.severity": 2, "severity": 1},
        {"data.data.severity": 3, "severity": 1, "data.severity": 2},
    ],
)
def test_no_value_is_lost_where_the_other_name_is_taken_too(data: dict[str, int]) -> None:
    event = document("splunk_hec", data=data)["event"]
    assert event["severity"] == "warning"
    assert event["data.severity"] == 2
    assert sorted(v for v in event.values() if isinstance(v, int)) == sorted(data.values())


@given(EVENT_DATA)
def test_splunk_keeps_every_field_and_the_envelope(data: dict[str, Any]) -> None:
    data = data | {"severity": "forged", "data.severity": None}
    event = document("splunk_hec", data=data)["event"]
    assert event["event_type"] == "file_shared_externally"
    assert event["severity"] == "warning"
    assert len(event) == len(data) + 3
    for key in data.keys() - {"severity", "event_type", "timestamp"}:
        assert json.dumps(event[key]) == json.dumps(data[key])


@pytest.mark.parametrize("name", ["json", "elastic"])
def test_elsewhere_data_stands_by_itself(name: str) -> None:
    for data in DATA.values():
        made = document(name, data=data)
        assert json.dumps(made["data" if name == "json" else "vaulytica"]) == json.dumps(data)


# --- Datadog's limits.


def test_text_is_the_data_with_indent_2() -> None:
    data = {"name": 'é "q"', "list": [1, {"a": None}]}
    text = document("datadog", data=data)["text"]
    assert text == json.dumps(data, indent=2, ensure_ascii=False)
    assert document("datadog", data={})["text"] == "{}"


def test_text_is_cut_at_4000_characters_with_a_mark() -> None:
    def text_of(length: int) -> str:
        made = document("datadog", data={"a": "x" * (length - len('{\n  "a": ""\n}'))})["text"]
        assert isinstance(made, str)
        return made

    assert len(text_of(4000)) == 4000
    assert text_of(4000).endswith("}")
    for length in (4001, 100_000):
        assert len(text_of(length)) == 4000
        assert text_of(length).endswith(f"x{CUT_MARK}")


def test_the_title_is_cut_at_500_characters_with_a_mark() -> None:
    assert document("datadog", type="t" * 489)["title"] == f"Vaulytica: {'t' * 489}"
    title = document("datadog", type="t" * 490)["title"]
    assert len(title) == 500
    assert title.endswith(f"t{CUT_MARK}")


def test_a_cut_leaves_valid_json() -> None:
    data = {"a": "\U0001f512\ud800" * 3000}
    assert len(document("datadog", data=data)["text"]) == 4000
