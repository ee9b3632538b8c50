"""A relay with many destinations, and with much that waits: what it takes to start, to rest, and to go on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from bench.durable import disk
from bench.events import events as some_events
from bench.machine import HERE, OURS, THEIRS, cpu_of, on_core, table
from bench.receiver import counting_receiver
from vaulytica.outbox.delivery import ack
from vaulytica.outbox.parcel import Parcel
from vaulytica.outbox.sqlite import SqliteOutbox

NOBODY = "http://127.0.0.1:9/"  # refuses connections
AT_REST = 10.0  # seconds
PUT = 1000


def relay(events: int) -> list[str]:
    """One row for each question."""
    with tempfile.TemporaryDirectory(prefix="vaulytica-bench-", dir=disk()) as folder:
        rows = [
            *_many(Path(folder)),
            *_one_dead(Path(folder), events // 10),
            *_waiting(Path(folder)),
        ]
    return table(rows)


def _row(what: str, figure: str) -> dict[str, str]:
    return {"what": what, "measured": figure}


class Running:
    """A relay on the measured core, from its start."""

    def __init__(self, folder: Path, destinations: dict[str, dict[str, Any]]) -> None:
        folder.mkdir(exist_ok=True)
        self.outbox = folder / "outbox.db"
        config = folder / "relay.yaml"
        settings = {"outbox": f"sqlite://{self.outbox}", "drain": 0, "destinations": destinations}
        config.write_text(yaml.safe_dump(settings))
        command = [sys.executable, "-m", "vaulytica", "relay", "--config", str(config)]
        began = time.perf_counter()
        with on_core(OURS):
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=HERE)
        assert self.process.stdout is not None
        first = json.loads(self.process.stdout.readline())
        assert first["event"] == "ready", first
        self.started = time.perf_counter() - began

    @property
    def peak_mib(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024

    def end(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def running(folder: Path, destinations: dict[str, dict[str, Any]]) -> Iterator[Running]:
    made = Running(folder, destinations)
    try:
        yield made
    finally:
        made.end()


def _many(folder: Path) -> list[dict[str, str]]:
    destinations = {f"d{n}": {"url": NOBODY} for n in range(1000)}
    place = folder / "many"
    place.mkdir()
    with SqliteOutbox(place / "outbox.db") as outbox:  # it knows each, and has nothing for any
        outbox.put(Parcel.of([next(some_events())]), list(destinations))
        outbox.settle([ack(one) for name in destinations for one in outbox.claim(name)])
    with running(place, destinations) as one:
        time.sleep(2)
        before = cpu_of(one.process.pid)
        time.sleep(AT_REST)
        share = (cpu_of(one.process.pid) - before) / AT_REST
        return [
            _row(
                "1000 destinations, from the start of the process to ready", f"{one.started:.1f} s"
            ),
            _row("1000 destinations at rest, of a core", f"{share:.1%}"),
            _row("1000 destinations at rest, memory at most", f"{one.peak_mib:.0f} MiB"),
        ]


def _put(path: Path, names: Sequence[str], events: int) -> None:
    source = some_events()
    with SqliteOutbox(path) as outbox:
        for _ in range(events // PUT):
            outbox.put(Parcel.of([next(source) for _ in range(PUT)]), names)


def _one_dead(folder: Path, events: int) -> list[dict[str, str]]:
    """Ten destinations have the same events pending; how long until nine of them have all of it?"""
    names = [f"d{n}" for n in range(10)]
    seconds: dict[str, float] = {}
    with on_core(THEIRS), counting_receiver() as counting:
        well = {"url": f"{counting.url}/services/collector/event", "format": "splunk_hec"}
        for what, last in (("well", well), ("dead", {**well, "url": NOBODY})):
            place = folder / what
            place.mkdir()
            _put(place / "outbox.db", names, events)
            destinations = {name: dict(well) for name in names[:9]} | {"d9": last}
            began = time.perf_counter()
            with running(place, destinations) as one:
                _until(one.outbox, names[:9], events)
            seconds[what] = time.perf_counter() - began
    ratio = seconds["well"] / seconds["dead"]
    return [
        _row("9 of 10 destinations, the tenth dead: speed of that with it well", f"{ratio:.0%}")
    ]


def _until(path: Path, names: Sequence[str], events: int) -> None:
    with SqliteOutbox(path) as outbox:
        while True:
            counts = outbox.counts()
            if all(name in counts and counts[name].delivered == events for name in names):
                return
            time.sleep(0.05)


def _waiting(folder: Path) -> list[dict[str, str]]:
    """A million events for one that is down, and then for one that takes them."""
    millions = int(os.environ.get("VAULYTICA_BENCH_PENDING", "1000000"))
    place = folder / "waiting"
    place.mkdir()
    _put(place / "outbox.db", ["d"], millions)
    with running(place, {"d": {"url": NOBODY, "format": "splunk_hec"}}) as one:
        time.sleep(AT_REST)
        down = one.peak_mib
    with on_core(THEIRS), counting_receiver() as counting:
        well = {"url": f"{counting.url}/services/collector/event", "format": "splunk_hec"}
        with running(place, {"d": well}) as one:
            began = time.perf_counter()
            _until(place / "outbox.db", ["d"], millions)
            took = time.perf_counter() - began
            up = one.peak_mib
    return [
        _row(f"{millions:,} events pending, memory at most", f"{down:.0f} MiB"),
        _row(f"{millions:,} events delivered from the outbox", f"{millions / took:,.0f} events/s"),
        _row("memory at most while they are", f"{up:.0f} MiB"),
    ]
