"""Fixtures for tests over real sockets; a folder's conftest.py imports those that its tests use."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import certifi
import pytest
import trustme

from support.drivers import KINDS, Sending, config_for, sending
from support.faulty import Faulty, Script
from vaulytica.integrations.webhook import WebhookConfig


@pytest.fixture
def serve() -> Iterator[Callable[..., Faulty]]:
    """`serve(script)` starts a server that runs until the test ends; a script that fails fails the test."""
    with contextlib.ExitStack() as stack:
        servers: list[Faulty] = []

        def start(script: Script, **more: Any) -> Faulty:
            servers.append(stack.enter_context(Faulty(script, **more)))
            return servers[-1]

        yield start
    assert [failure for server in servers for failure in server.failures] == []


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """The test runs twice: with the sync sender, and with the async one."""
    return str(request.param)


@pytest.fixture
def sender_of(kind: str) -> Iterator[Callable[..., Sending]]:
    """`sender_of(config)`, or `sender_of(url, **settings)`: a sender of this kind, closed at the end."""
    with contextlib.ExitStack() as stack:

        def build(
            config: WebhookConfig | str, parts: dict[str, Any] | None = None, **settings: Any
        ) -> Sending:
            if isinstance(config, str):
                config = config_for(config, **settings)
            made = sending(kind, config, **(parts or {}))
            stack.callback(made.finish)
            return made

        yield build


@pytest.fixture(scope="session")
def ca() -> trustme.CA:
    """A certificate authority that nobody trusts, but for tests that use `trusted`."""
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(ca: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The authority's certificate as a PEM file."""
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture
def trusted(ca_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Senders made in this test trust the test's authority, and no other."""
    monkeypatch.setattr(certifi, "where", lambda: str(ca_file))
