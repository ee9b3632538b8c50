"""What is written, against what Elastic and Datadog publish of their fields and requests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from interop.ecs import fields, leaves
from interop.events import some_events
from vaulytica.integrations.webhook import WebhookConfig, WebhookSender
from vaulytica.transport.memory import MemoryTransport

_JSON_TYPES = {"string": str, "object": dict, "array": list, "integer": int}


def _bodies(config: dict[str, Any], events: Sequence[dict[str, Any]]) -> list[bytes]:
    transport = MemoryTransport()
    settings = {**config, "retry_config": {"max_retries": 0}}
    with WebhookSender(WebhookConfig(**settings), transport=transport) as sender:
        sender.send_batch(events)
    return [request.body for request in transport.requests]


@pytest.fixture
def documents() -> list[dict[str, Any]]:
    """The ECS documents of real events, and of all types and severities of the guide."""
    events = [
        {**event, "type": type_} for event, type_ in zip(some_events(), _types(), strict=False)
    ]
    config = {"url": "https://search.example.com/logs/_doc", "format": "ecs"}
    return [json.loads(body) for body in _bodies(config, [*events, *some_events()])]


def _types() -> list[str]:
    words = ("login", "file", "user", "process", "malware", "network", "policy", "alert")
    ends = ("failed", "created", "deleted", "shared_externally", "detected", "denied", "x")
    return [f"{word}_{end}" for word in words for end in ends]


def test_every_field_outside_vaulytica_is_one_of_ecs(
    ecs_flat: Path, documents: list[dict[str, Any]]
) -> None:
    known = fields(ecs_flat)
    open_ones = tuple(f"{n}." for n, f in known.items() if f["type"] in ("object", "flattened"))
    used = {name for document in documents for name, _ in leaves(document)}
    strange = {n for n in used if n not in known and not n.startswith(("vaulytica", *open_ones))}
    assert not strange
    assert {"@timestamp", "ecs.version", "event.kind", "event.action"} <= used


def test_values_are_of_ecs_closed_lists_and_arrays_where_it_wants_arrays(
    ecs_flat: Path, documents: list[dict[str, Any]]
) -> None:
    known = fields(ecs_flat)
    for document in documents:
        for name, value in leaves(document):
            if name not in known:
                continue
            assert isinstance(value, list) == ("array" in known[name]["normalize"]), name
            allowed = {word["name"] for word in known[name].get("allowed_values", [])}
            values = value if isinstance(value, list) else [value]
            assert not allowed or set(values) <= allowed, (name, value)


def test_categories_go_with_the_types_that_ecs_expects(
    ecs_flat: Path, documents: list[dict[str, Any]]
) -> None:
    words = fields(ecs_flat)["event.category"]["allowed_values"]
    expected = {word["name"]: set(word["expected_event_types"]) for word in words}
    for document in documents:
        event = document["event"]
        fitting = set().union(*(expected[c] for c in event.get("category", [])))
        assert set(event.get("type", [])) <= fitting or not event.get("category"), event


def test_datadog_entries_are_what_its_description_says(datadog_openapi: Path) -> None:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    described = yaml.load(datadog_openapi.read_text("utf-8"), loader)
    item = described["components"]["schemas"]["HTTPLogItem"]
    assert described["components"]["schemas"]["HTTPLog"]["type"] == "array"
    config = {"url": "https://http-intake.logs.datadoghq.com/api/v2/logs", "format": "datadog_logs"}
    options = {"hostname": "here", "tags": {"env": "prod"}, "service": "s"}
    bodies = _bodies({**config, "format_options": options}, some_events())
    entries = [entry for body in bodies for entry in json.loads(body)]
    assert len(entries) == len(some_events())
    assert all(len(json.loads(body)) <= 1000 and len(body) <= 5_000_000 for body in bodies)
    for entry in entries:
        assert set(item["required"]) <= entry.keys()
        for name, schema in item["properties"].items():
            assert isinstance(entry[name], _JSON_TYPES[schema["type"]]), name
