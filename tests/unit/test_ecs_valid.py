"""Every document of `ecs` is valid against the Elastic Common Schema.

The tables are facts of ECS 8.17.0 (`generated/ecs/ecs_flat.yml`), the same in 9.4.0: of each field that
we fill in, its type, and `[]` where ECS wants an array; and the closed lists.
"""

from __future__ import annotations

import gzip
import ipaddress
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.awkward import DATA, EVENT_DATA
from support.heart import guide_event
from vaulytica.formats.elastic import EcsFormat
from vaulytica.formats.elastic.ecs_fields import _NAMES
from vaulytica.formats.elastic.ecs_words import _CATEGORIES, _OUTCOMES, _TYPES, categorised

SHARED = Path(__file__).parents[3] / "shared" / "data"

FIELDS = """
@timestamp date
cloud.account.id cloud.availability_zone cloud.instance.id cloud.project.id keyword
cloud.provider cloud.region keyword
destination.address destination.domain keyword
destination.ip ip
destination.port long
dns.question.name keyword
ecs.version keyword
error.code keyword
error.message match_only_text
event.action event.code event.id event.kind event.outcome event.provider event.reason keyword
event.category event.type keyword[]
event.severity long
file.extension file.mime_type file.name file.path keyword
file.hash.md5 file.hash.sha1 file.hash.sha256 file.hash.sha512 keyword
file.size long
host.id host.name keyword
host.ip ip[]
http.request.method keyword
http.response.status_code long
log.level keyword
message match_only_text
network.transport keyword
observer.name observer.type observer.vendor keyword
process.command_line process.parent.command_line wildcard
process.entity_id process.executable process.name process.working_directory keyword
process.parent.entity_id process.parent.executable process.parent.name keyword
process.parent.pid process.pid long
registry.path keyword
related.hash related.hosts related.user keyword[]
related.ip ip[]
rule.id rule.name keyword
source.address source.domain keyword
source.ip ip
source.port long
tags keyword[]
url.domain url.scheme keyword
url.full url.original wildcard
user.domain user.email user.full_name user.id user.name keyword
user.target.domain user.target.email user.target.id user.target.name keyword
user_agent.original keyword
vulnerability.id keyword
"""
TYPES = {
    name: names[-1] for names in map(str.split, FIELDS.strip().splitlines()) for name in names[:-1]
}
KINDS = {"alert", "asset", "enrichment", "event", "metric", "state", "pipeline_error", "signal"}
OUTCOMES = {"failure", "success", "unknown"}
# A category, and the types that go with it.
CATEGORIES = """
api access admin allowed change creation deletion denied end info start user
authentication start end info
configuration access change creation deletion info
database access change info error
driver change end info start
email info
file access change creation deletion info
host access change end info start
iam admin change creation deletion group info user
intrusion_detection allowed denied info
library start
malware info
network access allowed connection denied end info protocol start
package access change deletion info installation start
process access change end info start
registry access change creation deletion
session start end info
threat indicator
vulnerability info
web access error info
"""
EXPECTED = {words[0]: set(words[1:]) for words in map(str.split, CATEGORIES.strip().splitlines())}


def leaves(value: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from leaves(inner, f"{before}{key}.")
        else:
            yield before + key, inner


def is_of(value: object, type: str) -> bool:
    if type == "long":
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    if type == "ip":
        return isinstance(value, str) and is_ip(value)
    return isinstance(value, str)


def is_ip(value: str) -> bool:
    try:
        return "%" not in value and bool(ipaddress.ip_address(value))
    except ValueError:
        return False


def wrong(document: dict[str, Any]) -> list[str]:
    """What is not as ECS has it."""
    found = []
    for name, value in leaves({key: document[key] for key in document if key != "vaulytica"}):
        type = TYPES.get(name)
        if type is None:
            found.append(f"{name} is no field of ECS")
            continue
        if isinstance(value, list) is not type.endswith("[]"):
            found.append(f"{name}: {value!r} is not {type}")
            continue
        items = value if isinstance(value, list) else [value]
        found += [
            f"{name}: {item!r} is not {type}"
            for item in items
            if not is_of(item, type.rstrip("[]"))
        ]
    event = document["event"]
    if event["kind"] not in KINDS or event.get("outcome", "unknown") not in OUTCOMES:
        found.append(f"event: {event}")
    for category in event.get("category", []):
        if not set(event["type"]) <= EXPECTED.get(category, set()):
            found.append(f"{category} with {event['type']}")
    if not event["type"] or event.get("category") == []:
        found.append("empty lists")
    return found


def document(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(EcsFormat().encode(guide_event(**changes)))
    return made


def test_the_check_finds_what_is_wrong() -> None:
    good = document()
    assert wrong(good) == []
    for name, bad in {
        "source": {"ip": "here"},
        "observer": {"shoe_size": "42"},
        "tags": "one",
        "message": ["a"],
        "destination": {"port": "80"},
        "event": good["event"] | {"category": ["file"], "type": ["allowed"]},
    }.items():
        assert wrong(good | {name: bad}) != [], name


@pytest.mark.parametrize("severity", ["debug", "info", "warning", "error", "critical"])
def test_the_guides_event_is_valid(severity: str) -> None:
    made = document(severity=severity)
    assert wrong(made) == []
    assert made["log"]["level"] == severity


def test_every_word_of_a_type_leads_to_valid_ones() -> None:
    words = sorted({*_TYPES, *_OUTCOMES, *(word for *_, words in _CATEGORIES for word in words)})
    for category, types, _ in _CATEGORIES:
        assert types == EXPECTED[category]
    for word in words:
        for other in ("", *_TYPES.keys()):
            event = {"kind": "alert", **categorised(f"{word}_{other}")}
            assert wrong({"event": event}) == []


# Of every kind that a value may have, right or wrong for the field.
VALUES: tuple[Any, ...] = (
    "x", "-", "", 0, -1, 443, 70000, 2**63, 2**70, 1.5, True, None, [], ["a"], [1], {}, {"a": 1},
    "1.2.3.4", ["1.2.3.4", "::1"], ["1.2.3.4", "x"], "::1", "fe80::1%eth0", "1.2.3.4:5", "010.0.0.1",
    "user@example.com", "DOMAIN\\user", "\\", "C:\\a\\b.exe", "/a/b.tar.gz", "a/", ".bashrc", "a.",
    "a" * 32, "A" * 40, "b" * 64, "c" * 128, "d" * 33, "SHA1=" + "A" * 40 + ",IMPHASH=" + "B" * 32,
    "https://example.com:1/x?y", "http://[", "//x", "tcp", "6", 6, "success", "FAILED", "failure",
    "123456789012", "cve-2024-12345", "HKLM\\x", "0x1f", "0x", "42", "²", "٣", "\ud800", "us-east-1",
    "9" * 20, "9" * 5000,
)  # fmt: skip


@pytest.mark.parametrize("name", _NAMES)
def test_no_value_makes_a_document_invalid(name: str) -> None:
    for value in VALUES:
        made = document(data={name: value})
        assert wrong(made) == [], value
        assert made["vaulytica"] == {name: value}


ANY_VALUE = st.sampled_from(VALUES) | st.text() | st.integers() | EVENT_DATA
NAMED = st.dictionaries(st.sampled_from(list(_NAMES)), ANY_VALUE, max_size=8)


@given(NAMED, st.sampled_from(["", "user", "source", "file", "process", "url", "host", "x"]))
def test_no_data_makes_a_document_invalid(data: dict[str, Any], under: str) -> None:
    assert wrong(document(data={under: data} if under else data)) == []


@pytest.mark.parametrize("data", DATA.values(), ids=DATA)
def test_awkward_data_is_valid(data: dict[str, Any]) -> None:
    assert wrong(document(data=data)) == []


@pytest.mark.parametrize(
    "name", ["cloudtrail_s3_exfiltration.ndjson", "windows_mimikatz_2000.ndjson.gz"]
)
def test_real_events_are_valid(name: str) -> None:
    path = SHARED / name
    if not path.exists():
        pytest.skip("the data is not beside the repository")
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    for line in text.splitlines()[::7]:
        data = json.loads(line)
        assert wrong(document(type=data.get("eventName", "windows_event"), data=data)) == []
