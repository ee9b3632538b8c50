"""Real events, 2000 of up to 22 KB, through each batch format whole, to receivers that take little."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from support.heart import OwnClock
from support.laws import lines_of
from support.ways import BATCHED, BULKS, HEC_ACK, LOGS, Way, on_wire
from vaulytica.lines import Entries
from vaulytica.receiving.destinations.strict import What

WINDOWS = Path(__file__).parents[3] / "shared" / "data" / "windows_mimikatz_2000.ndjson.gz"
TAKES = 100_000  # bytes; the largest event is a fifth of that
SEVERITIES = {"ERROR": "error", "WARNING": "warning", "CRITICAL": "critical"}
pytestmark = pytest.mark.skipif(not WINDOWS.exists(), reason="the data set is not there")


@cache
def logs() -> list[dict[str, Any]]:
    with gzip.open(WINDOWS) as file:
        return [json.loads(line) for line in file]


def entries() -> Iterator[dict[str, Any]]:
    for n, log in enumerate(logs()):
        yield {
            "type": log["Channel"],
            "data": log,
            "severity": SEVERITIES.get(log.get("Severity"), "info"),
            "timestamp": log["@timestamp"],
            "id": f"log-{n}",
        }


def given(form: str) -> Iterator[Any]:
    if form == "mappings":
        yield from entries()
        return
    lines = lines_of(entries())
    assert len(lines) == 2000
    for start in range(0, 2000, 300):
        yield Entries(lines[start : start + 300])


def envelope(way: Way, stored: Any) -> tuple[str, str, str]:
    """What the receiver has beside the data: type, severity, time."""
    if way is LOGS:
        return stored["message"], stored["status"], stored["timestamp"]
    if way in BULKS:
        document = stored["_source"]
        event = document["event"]
        severity = ("debug", "info", "warning", "error", "critical")[event["severity"]]
        return event.get("action") or event["type"][0], severity, document["@timestamp"]
    inner = stored.get("event", stored)
    inner = json.loads(inner) if isinstance(inner, str) else inner
    return inner["event_type"], inner["severity"], inner["timestamp"]


# With threads that each move the clock, acknowledgements would be late.
CASES = [(way, "sync", "mappings") for way in BATCHED] + [
    (way, "async", "lines") for way in (*BATCHED, HEC_ACK)
]


@pytest.mark.parametrize(("way", "kind", "form"), CASES, ids=repr)
def test_every_event_is_there_once_and_as_it_was(way: Way, kind: str, form: str) -> None:
    clock = OwnClock()
    time = {"clock": clock.monotonic} if way is HEC_ACK else {}
    receiver = way.receiver(max_bytes=TAKES, **time)
    sender, wire = on_wire(kind, way, receiver, clock, batch={"max_events": 1000})
    try:
        report, _ = sender.send_stream(given(form))
    finally:
        sender.finish()
    assert wire.errors == []
    assert (report, report.complete) == (2000, True), report.undelivered[:3]
    assert receiver.counts[What.REFUSED] > 0, "no request was too large"
    assert len(receiver.events) == 2000
    want = sorted(_key(e["type"], e["severity"], e["timestamp"], e["data"]) for e in entries())
    got = sorted(_key(*envelope(way, event), way.data(event)) for event in receiver.events)
    assert got == want


def _key(type: str, severity: str, time: str, data: Any) -> tuple[str, ...]:
    time = time.replace("Z", "").removesuffix(".000")
    return time, type, severity, json.dumps(data, sort_keys=True)
