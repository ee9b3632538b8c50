"""A file of events to a Splunk HTTP Event Collector, in batches: `vaulytica send` and syslog-ng."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from bench import syslog_ng
from bench.events import write_events
from bench.machine import THEIRS, Measured, Program, compared, cpu_of, on_core, rounds_of, turns
from bench.receiver import NGINX, Counting, Nginx, counting_receiver, receiver

BATCH = 1000
TOKEN = "not-a-real-token"
TOKEN_NAME = "VAULYTICA_BENCH_TOKEN"  # a secret on the command line would be refused
PATH = "/batches/services/collector/event"
LONGEST = 120.0  # seconds that one run may take
OURS, PEER = "vaulytica send", "syslog-ng, workers(1)"


class Summary(msgspec.Struct):
    """What `vaulytica send --json` says."""

    events: int
    delivered: int


def send_command(file: Path, url: str, *options: str) -> list[str]:
    """`vaulytica send` for Splunk."""
    os.environ[TOKEN_NAME] = f"Splunk {TOKEN}"
    return [
        *(sys.executable, "-m", "vaulytica", "send", str(file), "--format", "splunk_hec"),
        *("--url", url, "--header", f"Authorization: env:{TOKEN_NAME}"),
        *("--batch-events", str(BATCH), "--json", *options),
    ]


class Contest:
    """Runs of programs that send one file, each timed from its start to the last request's answer."""

    _spare = 0.01  # requests more than were needed, of each

    def __init__(self, folder: Path, file: Path, events: int, nginx: Nginx) -> None:
        self._folder, self._file, self._events, self._nginx = folder, file, events, nginx
        self._requests = -(-events // BATCH)

    def ours(self, *options: str) -> Measured:
        """`vaulytica send` with these options; it must say itself that all is delivered."""
        self._nginx.forget()
        before = cpu_of(self._nginx.pid)
        with Program(send_command(self._file, self._nginx.url + PATH, *options)) as program:
            output, cpu = program.ended()
        summary = msgspec.json.decode(output, type=Summary)
        assert summary.delivered == summary.events == self._events, output
        return self._measured(program, cpu, before)

    def peer(self, workers: int) -> Measured:
        """syslog-ng; it follows its file for ever, so it is stopped when all lines have arrived."""
        size = self._file.stat().st_size
        self._nginx.forget()
        before = cpu_of(self._nginx.pid)
        url = self._nginx.url + PATH
        command = syslog_ng.command(self._folder, self._file, url, TOKEN, BATCH, workers)
        with Program(command, subprocess.DEVNULL) as program:
            until = time.monotonic() + LONGEST
            while self._lines_arrived() < size:
                assert program.running, "syslog-ng has ended"
                assert time.monotonic() < until, "syslog-ng did not send all"
                time.sleep(0.05)
            program.stop()
            _, cpu = program.ended()
        assert self._lines_arrived() == size
        return self._measured(program, cpu, before)

    def _lines_arrived(self) -> int:
        """The bytes of the lines that syslog-ng has sent: of a batch, the last newline is not."""
        arrived = self._nginx.arrived()
        return arrived.body_bytes + arrived.requests

    def _measured(self, program: Program, cpu: float, before: float) -> Measured:
        arrived = self._nginx.arrived()
        # syslog-ng sends what it has, full or not, when its file seems to have ended.
        more = arrived.requests - self._requests
        assert 0 <= more <= self._requests * self._spare + 5, f"{arrived.requests} requests"
        seconds = arrived.last - program.started
        return Measured(seconds, cpu, (cpu_of(self._nginx.pid) - before) / seconds)

    def count(self, counting: Counting) -> None:
        """Each of them once to a server that counts the events: are they all there?"""
        url = counting.url + PATH
        for options in ((), ("--compression", "gzip")):
            with Program(send_command(self._file, url, *options)) as program:
                program.ended()
            assert counting.counted().events == self._events, options
        command = syslog_ng.command(self._folder, self._file, url, TOKEN, BATCH, 1)
        with Program(command, subprocess.DEVNULL) as program:
            taken, until = 0, time.monotonic() + LONGEST
            while taken < self._events and time.monotonic() < until:
                time.sleep(0.05)
                taken += counting.counted().events
            program.stop()
        assert taken == self._events, f"{taken} of syslog-ng"


def batches(rounds: int, events: int) -> list[str]:
    """The table, or what to install."""
    version = syslog_ng.version()
    if NGINX is None or version is None:
        return ["Not measured: `apt-get install nginx-light syslog-ng-core syslog-ng-mod-http`."]
    with tempfile.TemporaryDirectory(prefix="vaulytica-bench-") as folder, on_core(THEIRS):
        file = write_events(Path(folder, "events.ndjson"), events)
        each = file.stat().st_size / events
        with receiver() as nginx, counting_receiver() as counting:
            contest = Contest(Path(folder), file, events, nginx)
            contest.count(counting)
            contestants: dict[str, Callable[[], Measured]] = {
                PEER: partial(contest.peer, 1),
                "syslog-ng, workers(4)": partial(contest.peer, 4),
                OURS: contest.ours,
                f"{OURS} --compression gzip": partial(contest.ours, "--compression", "gzip"),
                f"{OURS} --compression zstd": partial(contest.ours, "--compression", "zstd"),
            }
            runs = rounds_of(contestants, rounds)
    plain, gzip = runs[OURS], runs[f"{OURS} --compression gzip"]
    ratio = sorted(p.seconds / g.seconds for p, g in zip(plain, gzip, strict=True))[rounds // 2]
    sent = f"{events:,} events of {each:.0f} bytes, {BATCH} in a request"
    return [
        f"{sent}; syslog-ng {version}; {turns(rounds)}.",
        "",
        *compared(runs, PEER, events),
        "",
        f"With gzip {ratio:.2f} × the events/s of without.",
    ]
