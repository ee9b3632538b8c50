"""Example events: findings as they come from watching over a Google Workspace, all of them invented."""

from __future__ import annotations

import json
from importlib.resources import files
from io import BufferedReader, BytesIO
from typing import Any


def example_events() -> list[dict[str, Any]]:
    """The bundled events, in order."""
    return [json.loads(line) for line in example_file()]


def example_file() -> BufferedReader:
    """The same as a file of NDJSON."""
    content = files(__name__).joinpath("events.ndjson").read_bytes()
    return BufferedReader(BytesIO(content))
