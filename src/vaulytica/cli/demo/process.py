"""The relay of the demo, in a process of its own, so that it can be killed."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vaulytica.errors import WebhookError

if TYPE_CHECKING:
    from vaulytica.cli.demo.targets import Target
    from vaulytica.events import Event
    from vaulytica.outbox.delivery import Counts

_PATIENCE = 20.0  # seconds


class DemoRelay:
    """`vaulytica relay` with these destinations; events are posted to it as any client would."""

    def __init__(self, folder: Path, targets: Sequence[Target]) -> None:
        self._config, self._outbox = folder / "vaulytica.yaml", folder / "outbox.db"
        self._log = folder / "relay.log"
        self._token = secrets.token_urlsafe(24)
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            self._port = bound.getsockname()[1]
        config = {
            "outbox": f"sqlite://{self._outbox}",
            "intake": {"listen": f"127.0.0.1:{self._port}", "tokens": ["env:VAULYTICA_TOKEN"]},
            "destinations": {target.name: target.settings() for target in targets},
        }
        import yaml

        self._config.write_text(yaml.safe_dump(config), encoding="utf-8")
        keys = {target.variable: target.secret for target in targets}
        self._environment = {**os.environ, **keys, "VAULYTICA_TOKEN": self._token}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it takes events."""
        command = [sys.executable, "-m", "vaulytica", "relay", "--config", str(self._config)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - this very program
                command, stdout=log, stderr=log, env=self._environment
            )
        until = time.monotonic() + _PATIENCE
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > until:
                last = self._log.read_text("utf-8").splitlines()[-1:]
                raise WebhookError(f"the relay does not start: {' '.join(last)}")
            time.sleep(0.02)

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_PATIENCE)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def post(self, events: Sequence[Event], key: str) -> None:
        """Hand over a batch, which is on disk when this returns."""
        connection = self._asked(events, key)
        try:
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 202 or json.loads(body)["accepted"] != len(events):
            raise WebhookError(f"the relay answered {answer.status}: {body.decode()}")

    def post_and_kill(self, events: Sequence[Event], key: str) -> int:
        """Ask it to take a batch, and kill it before it can answer; the number of the first event."""
        connection = self._asked(events, key)
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        connection.close()
        return int(key.rpartition("-")[2])

    def _asked(self, events: Sequence[Event], key: str) -> http.client.HTTPConnection:
        from vaulytica.lines import encode

        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_PATIENCE)
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "application/x-ndjson",
            "Idempotency-Key": key,
        }
        connection.request("POST", "/v1/events", encode(events), headers)
        return connection

    def counts(self) -> dict[str, Counts]:
        """What the outbox has counted since the beginning; read from its file."""
        from vaulytica.outbox.sqlite import SqliteOutbox

        with SqliteOutbox(self._outbox) as outbox:
            return outbox.counts()

    def stop(self) -> None:
        """Stop it as a service manager would."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(_PATIENCE)

    def end(self) -> None:
        """See to it that it does not outlive the demo."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
