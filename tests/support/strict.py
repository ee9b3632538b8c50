"""Talking to the strict destinations without sockets."""

from __future__ import annotations

import json
from typing import Any

from vaulytica.receiving.destinations.strict import StrictDestination
from vaulytica.receiving.receiver import Answer, Received

GUID = "0a0b0c0d-0000-4000-8000-00000000000f"


def request(method: str, path: str, body: bytes = b"", **headers: str) -> Received:
    """A request; in the names of headers, `_` stands for `-`."""
    pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Received(method, path, pairs, body, 0.0, None, 200)


def said(destination: StrictDestination, received: Received) -> tuple[int, Any]:
    """Status and body of the answer: JSON decoded, anything else as bytes."""
    answer = destination.answer(received)
    is_json = fields(answer).get("Content-Type") == "application/json"
    return answer.status, json.loads(answer.body) if is_json else answer.body


def fields(answer: Answer) -> dict[str, str]:
    """The answer's headers."""
    return dict(answer.headers)
