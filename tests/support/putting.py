"""Programs that put events into a relay: over HTTP, and by a file that it follows."""

from __future__ import annotations

import http.client
import json
import random
import signal
import threading
import time
from collections import Counter
from pathlib import Path

from support.conservation import Relay
from support.places import TOKEN


class Client(threading.Thread):
    """Posts events, with a key for each request, until it is told that they are accepted.

    `pause`: seconds between two requests; `patience`: to wait for an answer.
    """

    def __init__(
        self,
        name: str,
        port: int,
        over: threading.Event,
        *,
        pause: float = 0.0,
        patience: float = 60.0,
    ) -> None:
        super().__init__(daemon=True)
        self.me, self.port, self.over = name, port, over
        self.pause, self.patience = pause, patience
        self.offered: set[str] = set()
        self.accepted: set[str] = set()
        self.tries = self.requests = 0
        self.statuses: Counter[int] = Counter()
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            while not self.over.is_set():
                self._post(self.requests)
                self.requests += 1
                self.over.wait(self.pause)
        except BaseException as error:
            self.failure = error
            raise

    def _post(self, number: int) -> None:
        count = random.Random(f"{self.me}{number}").randint(1, 20)
        names = [f"@{self.me}-{number}-{n}@" for n in range(count)]
        body = b"\n".join(
            json.dumps({"type": "t", "data": {"of": name}}).encode() for name in names
        )
        headers = {
            "Authorization": f"Bearer {TOKEN}",
            "Content-Type": "application/x-ndjson",
            "Idempotency-Key": f"{self.me}-{number}",
        }
        self.offered.update(names)
        while True:
            self.tries += 1
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.patience)
            try:
                connection.request("POST", "/v1/events", body, headers)
                answer = connection.getresponse()
                said = answer.read()
                self.statuses[answer.status] += 1
                if answer.status == 202:
                    assert json.loads(said)["accepted"] == len(names)
                    self.accepted.update(names)
                    return
                assert answer.status in (429, 503), said
                assert int(answer.headers["Retry-After"]) > 0
                time.sleep(0.05)
            except (OSError, http.client.HTTPException, ValueError):
                time.sleep(0.01)
            finally:
                connection.close()


class Logger(threading.Thread):
    """A program that logs to a file, which is rotated by renaming."""

    def __init__(
        self, path: Path, over: threading.Event, name: str = "l", *, pause: float = 0.004
    ) -> None:
        super().__init__(daemon=True)
        self.path, self.over, self.me, self.pause = path, over, name, pause
        self.names: set[str] = set()

    def run(self) -> None:
        chance, number = random.Random(6), 0
        file = self.path.open("ab", buffering=0)
        while not self.over.wait(self.pause):
            names = [f"@{self.me}-{number + n}@" for n in range(chance.randint(1, 6))]
            number += len(names)
            text = "".join(f'{{"of": "{name}"}}\n' for name in names).encode()
            cut = chance.randint(0, len(text))
            file.write(text[:cut])
            file.write(text[cut:])
            self.names.update(names)
            if chance.random() < 0.01:
                self._rotate()
                file.close()
                file = self.path.open("ab", buffering=0)
                self.over.wait(0.3)
        file.close()

    def _rotate(self) -> None:
        for number in range(40, 0, -1):
            old = self.path.with_name(f"{self.path.name}.{number}")
            if old.exists():
                old.rename(self.path.with_name(f"{self.path.name}.{number + 1}"))
        self.path.rename(self.path.with_name(f"{self.path.name}.1"))


class Said:
    """An answer of the intake."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status, self.retry_after = answer.status, answer.headers["Retry-After"]
        self.body = answer.read().decode()


def post(one: Relay, *names: str, size: int = 0) -> Said:
    body = "\n".join(
        json.dumps({"type": "t", "data": {"of": name, "text": "x" * size}}) for name in names
    )
    connection = http.client.HTTPConnection("127.0.0.1", one.port, timeout=30)
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/x-ndjson"}
    try:
        connection.request("POST", "/v1/events", body.encode(), headers)
        return Said(connection.getresponse())
    finally:
        connection.close()


def accepted(one: Relay, count: int, mark: str, *, size: int = 0) -> set[str]:
    names = [f"@{mark}-{number}@" for number in range(count)]
    for at in range(0, count, 20):
        assert post(one, *names[at : at + 20], size=size).status == 202
    return set(names)


def stopped(one: Relay) -> None:
    assert one.process is not None
    one.process.signal(signal.SIGTERM)
    assert one.process.wait() == 0, one.process.log.read_text("utf-8")
