"""What is sent to real programs: real events where they are at hand, made ones else."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Beside the repository, and no part of it.
_DATA = Path(__file__).parents[3] / "shared" / "data"
_WINDOWS = _DATA / "windows_mimikatz_2000.ndjson.gz"
_CLOUDTRAIL = _DATA / "cloudtrail_s3_exfiltration.ndjson"

# Data that has tripped readers of JSON and of lines.
AWKWARD: list[dict[str, Any]] = [
    {},
    {"text": 'quotes " and \\ and / and \n and \t and \x00 and \u2028'},
    {"text": "ü 漢字 😀", "ключ": 1},
    {"big": 2**63 - 1, "small": -(2**63), "float": 1.5e300, "zero": -0.0},
    {"nested": {"a": [1, {"b": [[], {}]}, None, True]}},
    {"event_type": "forged", "severity": "forged", "time": 1, "event": "", "fields": {"a": {}}},
    {"long": "x" * 30_000},
]


def some_events() -> list[dict[str, Any]]:
    """Events of different types; each has its own number in its data, by which it is found again."""
    return [
        {
            "type": type_,
            "severity": ("info", "warning", "critical")[number % 3],
            "timestamp": 1761739200 + number / 1000,
            "id": f"interop-{number}",
            "data": {**data, "number": number},
        }
        for number, (type_, data) in enumerate(_records())
    ]


def _records() -> Iterator[tuple[str, dict[str, Any]]]:
    for data in AWKWARD:
        yield "awkward", data
    if _WINDOWS.exists() and _CLOUDTRAIL.exists():
        with gzip.open(_WINDOWS, "rt", encoding="utf-8") as lines:
            for line in lines:
                yield "windows_event", json.loads(line)
        for line in _CLOUDTRAIL.read_text(encoding="utf-8").splitlines():
            yield "cloud_event", json.loads(line)
    else:
        for number in range(2500):
            yield "login_failed", {"user": {"name": f"user{number}@example.com"}, "tries": [1, 2]}
