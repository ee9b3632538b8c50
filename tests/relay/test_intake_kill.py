"""kill -9 at random moments, while events are accepted and while files are followed: none lost, none twice."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from support.intake import TOKEN, Intake
from support.outbox import the_law
from support.ports import free_port
from support.sources import process, store, until_it_listens

KILLS = 12


class Client(threading.Thread):
    """Posts events with a key for each request, until it is told that they are accepted."""

    def __init__(self, name: str, port: int, over: threading.Event) -> None:
        super().__init__()
        self.me, self.port, self.over = name, port, over
        self.accepted: list[str] = []
        self.tries = 0

    def run(self) -> None:
        number = 0
        while not self.over.is_set():
            self._post(number)
            number += 1

    def _post(self, number: int) -> None:
        names = [f"{self.me}-{number}-{n}" for n in range(random.Random(number).randint(1, 20))]
        body = b"\n".join(
            json.dumps({"type": "t", "data": {"name": name}}).encode() for name in names
        )
        headers = {
            "Authorization": f"Bearer {TOKEN}",
            "Content-Type": "application/x-ndjson",
            "Idempotency-Key": f"{self.me}-{number}",
        }
        while True:
            self.tries += 1
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            try:
                connection.request("POST", "/v1/events", body, headers)
                answer = connection.getresponse()
                assert answer.status == 202, answer.read()
                assert json.loads(answer.read())["accepted"] == len(names)
                self.accepted += names
                return
            except (OSError, http.client.HTTPException, ValueError):
                time.sleep(0.02)
            finally:
                connection.close()


@pytest.mark.timeout(240)
def test_kill_while_events_are_accepted(tmp_path: Path) -> None:
    port, over, chance = free_port(), threading.Event(), random.Random(5)
    clients = [Client(f"c{n}", port, over) for n in range(6)]
    for client in clients:
        client.start()
    for kill in range(KILLS):
        with process(tmp_path, port):
            until_it_listens(port)
            time.sleep(chance.uniform(0, 0.4))
            if kill == KILLS - 1:
                over.set()
                for client in clients:
                    client.join(60)
    behind = store(tmp_path)
    kept = Counter(event["data"]["name"] for event in behind.kept())
    accepted = [name for client in clients for name in client.accepted]
    assert len(accepted) > 100
    assert sum(client.tries for client in clients) > len(
        {name.rsplit("-", 1)[0] for name in accepted}
    )
    assert kept == Counter(accepted)  # all that was said to be accepted, and once
    the_law(behind.outbox)
    behind.outbox.close()


class Writer(threading.Thread):
    """Appends lines, and rotates the file by renaming now and then."""

    def __init__(self, path: Path, over: threading.Event) -> None:
        super().__init__()
        self.path, self.over = path, over
        self.lines: list[str] = []

    def run(self) -> None:
        chance = random.Random(7)
        file = self.path.open("ab", buffering=0)
        while not self.over.is_set():
            lines = [
                f"line {len(self.lines) + n} {'x' * chance.randint(0, 200)}"
                for n in range(chance.randint(1, 200))
            ]
            text = "".join(f"{line}\n" for line in lines).encode()
            cut = chance.randint(0, len(text))
            file.write(text[:cut])  # a line may be there in part
            time.sleep(0.002)
            file.write(text[cut:])
            self.lines += lines
            if chance.random() < 0.02:
                self._rotate()
                file.write(b"")
                late = f"line {len(self.lines)} late"
                file.write(f"{late}\n".encode())  # by a writer that has not heard yet
                self.lines.append(late)
                file.close()
                file = self.path.open("ab", buffering=0)
                time.sleep(0.3)
        file.close()

    def _rotate(self) -> None:
        for number in range(30, 0, -1):
            old = self.path.with_name(f"app.log.{number}")
            if old.exists():
                old.rename(self.path.with_name(f"app.log.{number + 1}"))
        self.path.rename(self.path.with_name("app.log.1"))


@pytest.mark.timeout(240)
def test_kill_while_a_file_is_followed(tmp_path: Path) -> None:
    path, over, chance = tmp_path / "app.log", threading.Event(), random.Random(11)
    path.touch()
    writer = Writer(path, over)
    writer.start()
    for kill in range(KILLS):
        with process(tmp_path, 0, f"{path}*"):
            time.sleep(chance.uniform(0.5, 1.2))
            if kill == KILLS - 1:
                over.set()
                writer.join(60)
                behind = store(tmp_path)
                assert_each_once(behind, writer.lines)
                behind.outbox.close()
    assert len(list(tmp_path.glob("app.log.*"))) > 1


def assert_each_once(behind: Intake, lines: list[str]) -> None:
    end = time.monotonic() + 60
    kept: list[Any] = []
    while len(kept) < len(lines) and time.monotonic() < end:
        time.sleep(0.5)
        kept = [event["data"]["message"] for event in behind.kept()]
    assert Counter(kept) == Counter(lines)
    the_law(behind.outbox)
