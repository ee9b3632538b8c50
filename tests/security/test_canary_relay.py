"""A relay whose destinations repeat all they were sent: no secret in logs, metrics, outbox or its commands."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from support.canaries import PLACES, leaks, settings_with
from support.faulty import Arrived, Faulty, http, replies
from support.relay import RelayProcess, wait_until
from vaulytica.outbox.delivery import Filter

Serve = Callable[..., Faulty]


class References:
    """Puts what is secret of some settings into the environment, and references in its place."""

    def __init__(self) -> None:
        self.environment: dict[str, str] = {}

    def instead_of(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self.instead_of(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self.instead_of(each) for each in value]
        if isinstance(value, SecretStr):
            return self._reference(value.get_secret_value())
        is_secret = any(
            word in str(value) for word in ("obviously-other", "-----BEGIN ", *leaks(str(value)))
        )
        return self._reference(value) if is_secret else value

    def _reference(self, secret: str) -> str:
        name = f"SECRET_{len(self.environment)}"
        self.environment[name] = secret
        return f"env:{name}"


def echoing(status: int) -> Callable[[Arrived], bytes]:
    def answer(arrived: Arrived) -> bytes:
        if "/token" in arrived.target:
            return http(200, b'{"access_token": "obviously-other-token", "expires_in": 600}')
        lines = [arrived.line, *(f"{name}: {value}" for name, value in arrived.headers)]
        return http(status, " ".join(lines).encode())

    return answer


@pytest.fixture(params=[400, 401, 503])
def relay(request: pytest.FixtureRequest, serve: Serve, tmp_path: Path) -> Iterator[RelayProcess]:
    """One with a destination for each place; each refuses its event once at least, with this status."""
    server, references = serve(replies(echoing(request.param))), References()
    destinations = {
        f"d{number}": {
            **references.instead_of(settings_with(place, server.origin)),
            "retry_config": {"max_retries": 1000, "initial_delay": 0.05, "max_delay": 1.0},
        }
        for number, place in enumerate(PLACES)
    }
    config = {"intake": {"listen": "127.0.0.1:0"}, "drain": 1, "destinations": destinations}
    made = RelayProcess(tmp_path, config, **references.environment)
    made.put(["e-1"], destinations)
    made.start()
    yield made
    if made.runs:
        made.kill()


def test_a_relay_shows_no_secret(relay: RelayProcess) -> None:
    def tried() -> bool:
        with relay.outbox() as outbox:
            return all(kept.tried for kept in outbox.browse(Filter(), most=1000))

    wait_until(tried, "one attempt at each")
    pages = [relay.get(path)[1] for path in ("/metrics", "/healthz", "/readyz")]
    relay.stop()
    told = [command(relay, "list", "--limit", "1000", "--json"), command(relay, "show", "e-1")]
    files = [path.read_bytes().decode("latin-1") for path in relay.folder.glob("outbox.db*")]
    assert "***" in told[-1], "it tells what the destinations said"
    for text in (*pages, *told, *files, str(relay.lines), relay.errors):
        assert leaks(text) == []


def command(relay: RelayProcess, *arguments: str) -> str:
    whole = ["outbox", *arguments, "--outbox", f"sqlite://{relay.outbox_path}"]
    done = subprocess.run(
        [sys.executable, "-m", "vaulytica", *whole],
        capture_output=True,
        text=True,
        env=relay.environment,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr
