"""Splunk HEC's raw endpoint: events as lines of text, placed by the URL."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from support.heart import batch_of, guide_event, refusal
from vaulytica.errors import WebhookConfigError, WebhookEventError
from vaulytica.events import Event
from vaulytica.formats.splunk_hec import SplunkHecFormat, SplunkOptions

RAW = "https://splunk.example.com:8088/services/collector/raw"
GUID = "0aa5ad9f-79b6-4a6c-9ac6-8f0a8aa1b1c5"


def made(url: str, **options: Any) -> SplunkHecFormat:
    return SplunkHecFormat(options=SplunkOptions(**options), url=url)


def document(**changes: Any) -> Any:
    return json.loads(SplunkHecFormat().encode(guide_event(**changes)))


def address(format: Any, url: str, *events: Event) -> tuple[str, dict[str, str], dict[str, str]]:
    url, headers = format.address(url, batch_of(format, *events))
    parts = urlsplit(url)
    return parts.path, dict(parse_qsl(parts.query)), dict(headers)


def test_raw_events_are_the_inner_object_on_a_line_each() -> None:
    for url in (RAW, f"{RAW}/1.0", f"{RAW}/", f"{RAW}?a=b"):
        format = made(url)
        body = format.join([format.encode(guide_event(data={"t": "two\r\nlines"}))] * 2)
        lines = body.split(b"\n")
        assert len(lines) == 2
        assert b"\r" not in body
        found = json.loads(lines[0])
        assert found == document(data={"t": "two\r\nlines"})["event"]


def test_raw_events_are_placed_by_the_url() -> None:
    format = made(RAW, index="sec", host="a b&c=d/ü")
    path, query, headers = address(format, RAW, guide_event(source="x\ud800"))
    assert path == "/services/collector/raw"
    assert "host=a%20b%26c%3Dd%2F%C3%BC" in format.address(RAW, batch_of(format, guide_event()))[0]
    assert query == {
        "index": "sec",
        "sourcetype": "vaulytica:file_shared_externally",
        "host": "a b&c=d/ü",
        "source": "x?",
    }
    assert headers.keys() == {"X-Splunk-Request-Channel"}
    assert headers == address(format, RAW, guide_event())[2]
    assert headers != address(made(RAW), RAW, guide_event())[2]
    assert address(made(RAW, channel=GUID), RAW, guide_event())[2] == {
        "X-Splunk-Request-Channel": GUID
    }


def test_what_the_url_says_itself_is_kept_unless_it_is_set() -> None:
    url = f"{RAW}?index=u&sourcetype=mine&token=fake%20token&x="
    format = made(url, index="sec")
    metadata = {"host": "h"}
    _, query, _ = address(format, url, guide_event(metadata=metadata))
    assert query == {
        "index": "sec",
        "sourcetype": "mine",
        "host": "h",
        "source": "vaulytica",
        "token": "fake token",
    }
    assert format.address(url, batch_of(format, guide_event()))[0].count("index=") == 1
    assert format.group(guide_event(type="a")) == format.group(guide_event(type="b"))


def test_raw_events_share_a_request_with_those_of_the_same_place() -> None:
    format = made(RAW)
    groups = {
        format.group(guide_event(**changes))
        for changes in (
            {},
            {"severity": "info"},
            {"type": "other"},
            {"source": "s"},
            {"metadata": {"index": "i"}},
            {"metadata": {"host": "h"}},
        )
    }
    assert len(groups) == 5


def test_raw_takes_no_fields_and_no_endless_names() -> None:
    message = refusal(WebhookConfigError, lambda: made(RAW, fields={"a": "b"}))
    assert message is not None
    assert "fields" in message
    for changes in ({"metadata": {"fields": {"a": "b"}}}, {"type": "t" * 3000}):
        event = guide_event(**changes)
        assert refusal(WebhookEventError, lambda event=event: made(RAW).encode(event))
