"""The relay's intake over HTTP: events that are acknowledged when they are on disk."""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.events import ndjson
from bench.machine import HERE, OURS, THEIRS, Row, cpu_of, on_core, table, turns

TOKEN = "fake-token-of-the-benchmark"
KINDS = {
    "one event a request, 64 clients": (64, 1),
    "one event a request, 1 client": (1, 1),
    "NDJSON, 1000 events a request, 8 clients": (8, 1000),
    "NDJSON, 3000 events a request, 4 clients": (4, 3000),
}
CONFIG = """
outbox: sqlite://{folder}/outbox.db
intake: {{listen: "127.0.0.1:{port}", tokens: ["env:BENCH_TOKEN"]}}
destinations:
  away: {{url: "http://127.0.0.1:1/"}}
"""


@contextmanager
def relay() -> Iterator[tuple[int, int]]:
    """The relay on the measured core, with one destination that does not answer; its port and process."""
    with tempfile.TemporaryDirectory(prefix="vaulytica-bench-") as folder:
        with socket.create_server(("127.0.0.1", 0)) as found:
            port = found.getsockname()[1]
        config = Path(folder) / "relay.yaml"
        config.write_text(CONFIG.format(folder=folder, port=port))
        with on_core(OURS):  # a program inherits it
            process = subprocess.Popen(
                [sys.executable, "-m", "vaulytica", "relay", "--config", str(config)],
                env={**os.environ, "BENCH_TOKEN": TOKEN},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=HERE,
            )
        try:
            _until_it_listens(port)
            yield port, process.pid
        finally:
            process.kill()
            process.wait()


def _until_it_listens(port: int) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the relay does not start")


def measured(clients: int, events: int, seconds: float) -> dict[str, float]:
    """One run, as the client saw it."""
    with relay() as (port, pid), on_core(THEIRS):
        command = [sys.executable, "-m", "bench.intake_client"]
        command += [str(port), str(clients), str(seconds), str(events)]
        before, began = cpu_of(pid), time.monotonic()
        out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=HERE)
        busy = (cpu_of(pid) - before) / (time.monotonic() - began)
    return {**json.loads(out.stdout), "relay": busy}


def intake(rounds: int, seconds: float) -> list[str]:
    runs: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    for _ in range(rounds):
        for kind, (clients, events) in KINDS.items():
            runs[kind].append(measured(clients, events, seconds))
    rows: list[Row] = []
    for kind, figures in runs.items():

        def median(name: str, figures: list[dict[str, float]] = figures) -> float:
            return statistics.median(one[name] for one in figures)

        rows.append(
            {
                "what": kind,
                "requests/s": f"{median('requests'):,.0f}",
                "events/s": f"{median('requests') * KINDS[kind][1]:,.0f}",
                "median ms": f"{1000 * median('p50'):.1f}",
                "99 % within ms": f"{1000 * median('p99'):.1f}",
                "relay's CPU, µs an event": f"{median('relay') / median('requests') / KINDS[kind][1] * 1e6:.0f}",
                "client busy": f"{median('busy'):.0%}",
            }
        )
    size = len(ndjson(1000)) // 1000
    head = f"Events of {size} bytes, {seconds:g} s each; {turns(rounds)}."
    return [head, "", *table(rows)]
