"""The law of configs: what `config check` passes, a relay starts with; what it refuses, a relay refuses by the same lines."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from support.configs import CONFIGS
from vaulytica.cli.config_files.relay import checked_relay, read_relay
from vaulytica.errors import WebhookConfigError
from vaulytica.relay.relay import Relay


class Said:
    """A log that remembers."""

    def __init__(self) -> None:
        self.errors: list[tuple[str, dict[str, Any]]] = []
        self.ready = asyncio.Event()

    def info(self, event: str, **fields: Any) -> None:
        if event == "ready":
            self.ready.set()

    def warning(self, event: str, **fields: Any) -> None:
        pass

    def error(self, event: str, **fields: Any) -> None:
        self.errors.append((event, fields))


async def started_and_stopped(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """The errors that a relay has logged from its start to its end."""
    said = Said()
    relay = Relay(lambda running: read_relay(path, running=running), said)
    running = asyncio.create_task(relay.run())
    await asyncio.wait(
        (running, asyncio.create_task(said.ready.wait())), return_when=asyncio.FIRST_COMPLETED
    )
    relay.stop()
    await running
    return said.errors


@pytest.fixture
def taken():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield str(server.getsockname()[1])


@given(config=CONFIGS)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_law(config, tmp_path_factory, taken, monkeypatch):
    monkeypatch.setenv("SECRET", "obviously-fake")
    folder = tmp_path_factory.mktemp("law")
    path = folder / "relay.yaml"
    text = yaml.safe_dump(config).replace("HERE", str(folder))
    path.write_text(text.replace("TAKEN", taken))
    accepted, lines = checked_relay(path)
    if accepted is not None:
        assert lines == []
        assert asyncio.run(started_and_stopped(path)) == []
        return
    assert lines
    for line in lines:
        place, _, what = line.removeprefix(f"{path}:").partition(": ")
        assert all(part.isdigit() for part in place.split(":")), line
        assert what
        assert "Settings" not in line
    with pytest.raises(WebhookConfigError) as refused:
        asyncio.run(started_and_stopped(path))
    assert list(refused.value.lines) == lines
    assert [made.name for made in folder.iterdir()] == ["relay.yaml"]
