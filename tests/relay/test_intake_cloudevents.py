"""CloudEvents 1.0 over HTTP become events, and nothing they say is lost."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from support.intake import Intake

ATTRIBUTES = {
    "specversion": "1.0",
    "id": "A234-1234-1234",
    "type": "com.example.login.failed",
    "source": "https://example.com/idp",
    "time": "2025-10-29T12:00:00.5Z",
}
STRUCTURED = {"Content-Type": "application/cloudevents+json; charset=utf-8"}
BATCH = {"Content-Type": "application/cloudevents-batch+json"}
EVENT = {
    "id": "A234-1234-1234",
    "type": "com.example.login.failed",
    "source": "https://example.com/idp",
    "timestamp": "2025-10-29T12:00:00.500Z",
    "severity": "info",
    "metadata": None,
}


def binary(**attributes: str) -> dict[str, str]:
    return {f"ce-{name}": value for name, value in {**ATTRIBUTES, **attributes}.items()}


@pytest.mark.parametrize(
    ("more", "data", "severity"),
    [
        ({"data": {"user": "u"}}, {"user": "u"}, "info"),
        ({"data": {"user": "u"}, "severity": "Critical"}, {"user": "u"}, "critical"),
        ({}, {}, "info"),
        ({"data": None}, {"data": None}, "info"),
        ({"data": [1, 2]}, {"data": [1, 2]}, "info"),
        (
            {"data": "<a/>", "datacontenttype": "application/xml"},
            {"data": "<a/>", "cloudevent": {"datacontenttype": "application/xml"}},
            "info",
        ),
        ({"data_base64": "AP8="}, {"data_base64": "AP8="}, "info"),
        (
            {"data": {"a": 1}, "subject": "s", "traceparent": "00-1", "datacontenttype": "application/json"},
            {"a": 1, "cloudevent": {"subject": "s", "traceparent": "00-1"}},
            "info",
        ),
        (
            {"data": {"cloudevent": "mine"}, "subject": "s"},
            {"data": {"cloudevent": "mine"}, "cloudevent": {"subject": "s"}},
            "info",
        ),
        (
            {"severitynumber": 17, "severitytext": "ERROR"},
            {"cloudevent": {"severitynumber": 17, "severitytext": "ERROR"}},
            "error",
        ),
    ],
)  # fmt: skip
def test_structured(
    relay_in: Intake, more: dict[str, Any], data: dict[str, Any], severity: str
) -> None:
    answer = relay_in.post({**ATTRIBUTES, **more}, STRUCTURED)
    assert (answer.status, answer.json) == (202, {"accepted": 1, "ids": [ATTRIBUTES["id"]]})
    assert relay_in.kept() == [{**EVENT, "data": data, "severity": severity}]


def test_a_batch(relay_in: Intake) -> None:
    batch = [{**ATTRIBUTES, "id": f"id-{n}", "data": {"n": n}} for n in range(3)]
    answer = relay_in.post(json.dumps(batch, indent=1).encode(), BATCH)
    assert answer.json == {"accepted": 3, "ids": ["id-0", "id-1", "id-2"]}
    assert relay_in.kept() == [{**EVENT, "id": f"id-{n}", "data": {"n": n}} for n in range(3)]


@pytest.mark.parametrize(
    ("content_type", "body", "data"),
    [
        ("application/json", b'{\n"user": "u"}', {"user": "u"}),
        ("application/vnd.example+json; charset=utf-8", b'{"user": "u"}', {"user": "u"}),
        ("application/json", b"17", {"data": 17}),
        (
            "text/plain",
            "hü".encode(),
            {"data": "hü", "cloudevent": {"datacontenttype": "text/plain"}},
        ),
        (
            "application/octet-stream",
            b"\x00\xff",
            {
                "data_base64": base64.b64encode(b"\x00\xff").decode(),
                "cloudevent": {"datacontenttype": "application/octet-stream"},
            },
        ),
        (None, b"", {}),
    ],
)
def test_binary(
    relay_in: Intake, content_type: str | None, body: bytes, data: dict[str, Any]
) -> None:
    headers = binary(severity="error")
    if content_type is not None:
        headers["Content-Type"] = content_type
    answer = relay_in.post(body, headers)
    assert answer.status == 202, answer.body
    assert relay_in.kept() == [{**EVENT, "data": data, "severity": "error"}]


def test_a_key_is_for_one_event_also_where_headers_are_all_it_has(relay_in: Intake) -> None:
    for id, status in (("one", 202), ("one", 202), ("two", 422)):
        headers = {**binary(id=id), "Content-Type": "application/json", "Idempotency-Key": "k"}
        assert relay_in.post(b"{}", headers).status == status
    assert len(relay_in.kept()) == 1


def test_headers_are_percent_decoded(relay_in: Intake) -> None:
    relay_in.post(b"{}", {**binary(subject="Euro%20%E2%82%AC"), "Content-Type": "application/json"})
    assert relay_in.kept()[0]["data"] == {"cloudevent": {"subject": "Euro \u20ac"}}


def test_an_id_that_no_header_could_carry_is_kept_beside(relay_in: Intake) -> None:
    for source in ("/a", "/b", "/a"):
        relay_in.post({**ATTRIBUTES, "source": source, "id": "two words"}, STRUCTURED)
    one, other, again = relay_in.kept()
    assert one["id"] == again["id"] != other["id"]
    assert one["data"] == {"cloudevent": {"id": "two words"}}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"specversion": None}, "specversion"),
        ({"id": ""}, '"id"'),
        ({"type": None}, '"type"'),
        ({"source": 5}, '"source"'),
        ({"time": "yesterday"}, "timestamp"),
        ({"severity": "fatal"}, "unknown severity"),
        ({"data": 1, "data_base64": "AA=="}, "not both"),
        ({"data_base64": "!!"}, "is a text in base64"),
        ({"data_base64": "AP8"}, "is a text in base64"),
        ({"data_base64": "AP8=AP8="}, "is a text in base64"),
        ({"data_base64": "ä"}, "is a text in base64"),
        ({"data_base64": 17}, "is a text in base64"),
        ({"Big-Name": 1}, "named by a-z"),
        ({"data": {"a": "\ud800"}}, "lone surrogate"),
    ],
)
def test_what_is_no_cloudevent(relay_in: Intake, change: dict[str, Any], why: str) -> None:
    bad = {**ATTRIBUTES, **change}
    answer = relay_in.post(bad, STRUCTURED)
    assert answer.status == 400
    assert why in answer.error
    answer = relay_in.post([ATTRIBUTES, bad], BATCH)
    assert answer.status == 400
    assert answer.json.get("event") == (None if why == "lone surrogate" else 2)
    assert relay_in.kept() == []


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"{}", BATCH),
        (b"[]]", BATCH),
        (b"[1]", BATCH),
        (b"[]", STRUCTURED),
        (b'{"specversion":"1.0","specversion":"1.0"}', STRUCTURED),
        (b"{", {**binary(), "Content-Type": "application/json"}),
        (b'{"a":1,"a":2}', {**binary(), "Content-Type": "application/json"}),
        (b"{}", {**binary(subject="%ff"), "Content-Type": "application/json"}),
        (b'1,"id":"x"', {**binary(), "Content-Type": "application/json"}),
    ],
)
def test_what_is_nothing_of_the_kind(
    relay_in: Intake, body: bytes, headers: dict[str, str]
) -> None:
    answer = relay_in.post(body, headers)
    assert answer.status == 400, answer.body
    assert answer.error
    assert relay_in.kept() == []
