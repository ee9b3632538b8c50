"""A relay with many destinations, and with much that waits: what it takes to start, to rest, and to go on."""

from __future__ import annotations

import json
import os
import signal
import statistics
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
PENDING = int(os.environ.get("VAULYTICA_BENCH_PENDING", "1000000"))
ROUNDS = 5


def relay(events: int) -> list[str]:
    """One row for each question."""
    with tempfile.TemporaryDirectory(prefix="vaulytica-bench-", dir=disk()) as folder:
        rows = [
            *_many(Path(folder)),
            *_one_dead(Path(folder), events // 10),
            *_claims(Path(folder)),
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
    """Ten destinations have the same events pending; how long until nine of them have all of it?

    With the tenth well and with it dead by turns, as what else the machine does is not the same all the time.
    """
    ratios = []
    with on_core(THEIRS), counting_receiver() as counting:
        well = {"url": f"{counting.url}/services/collector/event", "format": "splunk_hec"}
        for turn in range(ROUNDS):
            lasts = [("well", well), ("dead", {**well, "url": NOBODY})]
            seconds = {
                what: _nine(folder / f"{what}{turn}", well, last, events)
                for what, last in (lasts if turn % 2 else lasts[::-1])
            }
            ratios.append(seconds["well"] / seconds["dead"])
    return [
        _row(
            f"9 of 10 destinations, the tenth dead: speed of that with it well, median of {ROUNDS}",
            f"{statistics.median(ratios):.0%} ({min(ratios):.0%} to {max(ratios):.0%})",
        )
    ]


def _nine(place: Path, well: dict[str, Any], last: dict[str, Any], events: int) -> float:
    """Seconds until nine of ten have all that was pending."""
    names = [f"d{n}" for n in range(10)]
    place.mkdir()
    _put(place / "outbox.db", names, events)
    destinations = {name: dict(well) for name in names[:9]} | {"d9": last}
    began = time.perf_counter()
    with running(place, destinations) as one:
        _until(one.outbox, names[:9], events)
    return time.perf_counter() - began


def _claims(folder: Path) -> list[dict[str, str]]:
    """All that is pending is claimed and delivered, a batch at a time: how long a claim takes at either end."""
    took: list[float] = []
    with on_core(OURS), SqliteOutbox(folder / "claims.db") as outbox:
        source = some_events()
        for _ in range(PENDING // PUT):
            outbox.put(Parcel.of([next(source) for _ in range(PUT)]), ["d"])
        while True:
            began = time.perf_counter()
            claimed = outbox.claim("d", PUT)
            took.append(time.perf_counter() - began)
            if not claimed:
                break
            outbox.settle([ack(one) for one in claimed])
    some = max(1, min(50, len(took) // 4))
    first, last = statistics.median(took[:some]), statistics.median(took[-some - 1 : -1])
    return [
        _row(
            f"claim of the last {PUT:,} of {PENDING:,} events, as against that of the first",
            f"{last / first:.2f} × ({1000 * first:.2f} ms, {1000 * last:.2f} ms)",
        )
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
    place = folder / "waiting"
    place.mkdir()
    _put(place / "outbox.db", ["d"], PENDING)
    with running(place, {"d": {"url": NOBODY, "format": "splunk_hec"}}) as one:
        time.sleep(AT_REST)
        down = one.peak_mib
    with on_core(THEIRS), counting_receiver() as counting:
        well = {"url": f"{counting.url}/services/collector/event", "format": "splunk_hec"}
        with running(place, {"d": well}) as one:
            began = time.perf_counter()
            _until(place / "outbox.db", ["d"], PENDING)
            took = time.perf_counter() - began
            up = one.peak_mib
    return [
        _row(f"{PENDING:,} events pending, memory at most", f"{down:.0f} MiB"),
        _row(f"{PENDING:,} events delivered from the outbox", f"{PENDING / took:,.0f} events/s"),
        _row("memory at most while they are", f"{up:.0f} MiB"),
    ]
