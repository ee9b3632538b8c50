"""The events that batches are measured with: about 200 bytes each, as a line of NDJSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

TYPES = ("file_shared_externally", "login_failed", "malware_detected", "policy_violation")
SEVERITIES = ("warning", "error", "critical", "info", "warning")
FIRST = 1761739200  # 2025-10-29T12:00:00Z


def events() -> Iterator[dict[str, Any]]:
    """Events without an end, one for each millisecond or so, no two the same."""
    n = 0
    while True:
        seconds, milliseconds = divmod(n * 7, 1000)
        moment = datetime.fromtimestamp(FIRST + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        yield {
            "type": TYPES[n % len(TYPES)],
            "data": {
                "user": f"user{n % 5000}@example.com",
                "ip": f"192.0.2.{n % 256}",
                "file_name": "q3-report.pdf",
                "bytes": n * 37 % 1_000_003,
                "n": n,
            },
            "severity": SEVERITIES[n % len(SEVERITIES)],
            "timestamp": f"{moment}.{milliseconds:03}Z",
        }
        n += 1


def ndjson(n: int) -> bytes:
    """The lines of n events."""
    return b"".join(_line(event) for event in islice(events(), n))


def _line(event: dict[str, Any]) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode() + b"\n"


def write_events(path: Path, n: int) -> Path:
    """A file of n events."""
    with path.open("wb") as file:
        file.writelines(map(_line, islice(events(), n)))
    return path
