"""A relay as a process of its own, with real receivers around it; built so that it can be killed at any moment."""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

import yaml

from support.nursery import Born, nursery
from support.outbox import the_law
from vaulytica.outbox.delivery import Counts
from vaulytica.outbox.sqlite import SqliteOutbox
from vaulytica.receiving.receiver import Answer, Lost, Received, Receiver

PATIENCE = 60.0  # seconds; a machine that is shared may stall
DOWN = {"url": "http://127.0.0.1:9"}


def wait_until(check: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """What the check gives, as soon as that is true; fails if it takes too long."""
    end = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < end, f"it took too long: {what}"
        time.sleep(0.01)
    return found


class Sink:
    """A destination: counts the events that it took, by id, and answers as it is told.

    It reads JSON, arrays of it, and lines of it. `behave` sees a request and its events, and gives an
    answer, or None for 200; or raises `Lost`. `untold`: ids of which the answer was lost.
    """

    def __init__(self, *, id: Callable[[Any], str] = lambda event: event["data"]["id"]) -> None:
        self._id = id
        self._lock = threading.Lock()
        self.taken: Counter[str] = Counter()
        self.order: list[str] = []
        self.untold: set[str] = set()
        self.requests = 0
        self.behave: Callable[[Received, list[str]], Answer | None] = lambda *_: None
        self.receiver = Receiver(respond=self._respond, keep=0)

    @property
    def url(self) -> str:
        return self.receiver.url

    def _respond(self, received: Received) -> Answer | None:
        ids = [self._id(event) for event in _events(received.body)]
        with self._lock:
            self.requests += 1
        lost = False
        answer = None
        try:
            answer = self.behave(received, ids)
        except Lost:
            lost = True
        if answer is None or answer.status < 300:
            with self._lock:
                self.taken.update(ids)
                self.order += ids
                if lost:
                    self.untold.update(ids)
        if lost:
            raise Lost
        return answer

    def close(self) -> None:
        self.receiver.close()


def _events(body: bytes) -> list[Any]:
    text = body.decode()
    if text.startswith("["):
        return list(json.loads(text))
    return [json.loads(line) for line in text.splitlines()]


class RelayProcess:
    """`vaulytica relay` on a config of its own. What it logs is in `lines`, a mapping each."""

    def __init__(self, folder: Path, config: dict[str, Any], **environment: str) -> None:
        self.folder, self.config = folder, config
        self.path = folder / "relay.yaml"
        self.outbox_path = folder / "outbox.db"
        self.environment = environment
        self.lines: list[dict[str, Any]] = []
        self.errors = ""
        self.write({"outbox": f"sqlite://{self.outbox_path}", **config})
        self.process: Born | None = None

    def write(self, config: dict[str, Any]) -> None:
        """Put the config into its file, in one step."""
        self.config = config
        new = self.path.with_suffix(".new")
        new.write_text(yaml.safe_dump(config))
        new.replace(self.path)

    def start(self, *, ready: bool = True, stdin: int | None = None) -> Self:
        """Start the process; wait until it says that it is ready. `stdin`: a descriptor, else nothing."""
        (out, stdout), (err, stderr) = os.pipe(), os.pipe()
        process = nursery().start(
            "relay",
            "--config",
            str(self.path),
            folder=self.folder,
            streams={1: stdout, 2: stderr} | ({} if stdin is None else {0: stdin}),
            environment=self.environment,
        )
        for end in (stdout, stderr):
            os.close(end)
        self.process = process
        before = len(self.lines)
        readers = [
            threading.Thread(target=read, args=(pipe,), daemon=True)
            for read, pipe in ((self._read, out), (self._read_errors, err))
        ]
        for reader in readers:
            reader.start()
        self._readers = readers
        if ready:
            wait_until(lambda: self.said("ready", before) or process.poll() is not None, "ready")
            assert self.said("ready", before), f"{self.lines[before:]} {self.errors}"
        return self

    def _read(self, pipe: int) -> None:
        with os.fdopen(pipe) as lines:
            for line in lines:
                self.lines.append(json.loads(line))

    def _read_errors(self, pipe: int) -> None:
        with os.fdopen(pipe) as lines:
            for line in lines:
                self.errors += line

    def said(self, event: str, since: int = 0) -> list[dict[str, Any]]:
        """The lines of the log for that event."""
        return [line for line in self.lines[since:] if line["event"] == event]

    def wait_for(self, event: str, since: int = 0, **fields: Any) -> dict[str, Any]:
        """The first such line, as soon as it is there."""

        def found() -> list[dict[str, Any]]:
            return [line for line in self.said(event, since) if fields.items() <= line.items()]

        return wait_until(found, f"{event} {fields}: {self.lines}")[0]

    @property
    def url(self) -> str:
        """Where it listens."""
        return str(self.said("ready")[-1]["listening"][0])

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of one of its pages."""
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, name: str, destination: str | None = None, **labels: str) -> float:
        """The value of a metric."""
        if destination is not None:
            labels["destination"] = destination
        pairs = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
        label = f"{{{pairs}}}" if pairs else ""
        _, text = self.get("/metrics")
        for line in text.splitlines():
            if line.startswith(f"{name}{label} "):
                return float(line.rpartition(" ")[2])
        raise AssertionError(f"no metric {name}{label} in {text}")

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.signal(number)

    def kill(self) -> None:
        """By -9, at once."""
        self.signal(signal.SIGKILL)
        self.wait()

    def stop(self) -> int:
        """By SIGTERM; its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        assert self.process is not None
        code = self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        return code

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.code is None

    # --- The outbox, from outside.

    def outbox(self) -> SqliteOutbox:
        """The relay's file, opened by this process as well."""
        return SqliteOutbox(self.outbox_path)

    def put(
        self,
        ids: Iterable[str],
        destinations: Iterable[str],
        *,
        each: int = 100,
        key: str | None = None,
        **data: Any,
    ) -> None:
        """Put events past the intake, so many at a time."""
        ids = list(ids)
        with self.outbox() as outbox:
            for at in range(0, len(ids), each):
                entries = [
                    {"type": "t", "data": {"id": id, **data}, "id": id}
                    for id in ids[at : at + each]
                ]
                outbox.put(entries, list(destinations), key=key)

    def counts(self) -> dict[str, Counts]:
        with self.outbox() as outbox:
            return outbox.counts()

    def wait_delivered(self, *destinations: str, seconds: float = PATIENCE) -> dict[str, Counts]:
        """Wait until nothing is pending for these (all)."""
        with self.outbox() as outbox:

            def done() -> dict[str, Counts] | None:
                counts = outbox.counts()
                names = destinations or tuple(counts)
                return counts if all(not counts[name].pending for name in names) else None

            found: dict[str, Counts] = wait_until(done, f"delivered: {self.lines[-5:]}", seconds)
            return found

    def check_the_law(self) -> None:
        with self.outbox() as outbox:
            the_law(outbox)


def post(
    one: RelayProcess, ids: Iterable[str], severity: str = "info", **headers: str
) -> tuple[int, Any, str | None]:
    """Post events of these ids as lines; status, body and Retry-After of the answer."""
    return post_lines(one, [(id, severity) for id in ids], **headers)


def post_lines(
    one: RelayProcess, events: Iterable[tuple[str, str]], **headers: str
) -> tuple[int, Any, str | None]:
    """The same of ids and severities."""
    lines = "".join(
        json.dumps({"type": "t", "id": id, "severity": severity, "data": {"id": id}}) + "\n"
        for id, severity in events
    )
    connection = http.client.HTTPConnection(one.url.removeprefix("http://"), timeout=20)
    connection.request(
        "POST", "/v1/events", lines, {"Content-Type": "application/x-ndjson", **headers}
    )
    answer = connection.getresponse()
    body = json.loads(answer.read())
    connection.close()
    return answer.status, body, answer.getheader("Retry-After")
