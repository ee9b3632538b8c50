"""A file of events to a Splunk HTTP Event Collector, in batches: `vaulytica send` and syslog-ng."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from bench import syslog_ng
from bench.events import events as some_events
from bench.events import write_events
from bench.machine import THEIRS, Measured, Program, compared, cpu_of, on_core, rounds_of, turns
from bench.receiver import NGINX, Counted, Counting, Nginx, counting_receiver, receiver
from bench.syslog_ng import LEAST, LINE, PARSED, Body, Settings

BATCH = 1000
TOKEN = "not-a-real-token"
TOKEN_NAME = "VAULYTICA_BENCH_TOKEN"  # a secret on the command line would be refused
PATH = "/batches/services/collector/event"
LONGEST = 120.0  # seconds that one run may take
OURS, PEER = "vaulytica send", f"syslog-ng, {LEAST.name}"
BODIES = (LINE, LEAST, PARSED)


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
        self._bytes: dict[str, int] = {}  # of all bodies that syslog-ng sends, by what is in them

    def ours(self, *options: str) -> Measured:
        """`vaulytica send` with these options; it must say itself that all is delivered."""
        self._nginx.forget()
        before = cpu_of(self._nginx.pid)
        with Program(send_command(self._file, self._nginx.url + PATH, *options)) as program:
            output, cpu = program.ended()
        summary = msgspec.json.decode(output, type=Summary)
        assert summary.delivered == summary.events == self._events, output
        return self._measured(program, cpu, before)

    def peer(self, settings: Settings) -> Measured:
        """syslog-ng; it follows its file for ever, so it is stopped when all lines have arrived."""
        size = self._bytes[settings.body.name]
        self._nginx.forget()
        before = cpu_of(self._nginx.pid)
        with Program(self._command(self._nginx.url, settings), subprocess.DEVNULL) as program:
            until = time.monotonic() + LONGEST
            while self._lines_arrived() < size:
                assert program.running, "syslog-ng has ended"
                assert time.monotonic() < until, "syslog-ng did not send all"
                time.sleep(0.05)
            program.stop()
            _, cpu = program.ended()
        assert self._lines_arrived() == size
        return self._measured(program, cpu, before)

    def _command(self, url: str, settings: Settings) -> list[str]:
        return syslog_ng.command(self._folder, self._file, url + PATH, TOKEN, BATCH, settings)

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
        """Each of them once to a server that looks at the events: are they all there, and what are they?"""
        url = counting.url + PATH
        for options in ((), ("--compression", "gzip")):
            with Program(send_command(self._file, url, *options)) as program:
                program.ended()
            self._check(counting.counted(), is_document=True, is_ours=True)
        for body in BODIES:
            self._count_peer(counting, body)

    def _count_peer(self, counting: Counting, body: Body) -> None:
        with Program(self._command(counting.url, Settings(body)), subprocess.DEVNULL) as program:
            taken, until = counting.counted(), time.monotonic() + LONGEST
            while taken.events < self._events and time.monotonic() < until:
                time.sleep(0.05)
                taken = taken.and_then(counting.counted())
            program.stop()
        self._check(taken, is_document=body is not LINE, is_ours=body is PARSED)
        self._bytes[body.name] = taken.bytes + taken.requests

    def _check(self, counted: Counted, *, is_document: bool, is_ours: bool) -> None:
        """All of them, and, where they should be, documents that Splunk takes, and the same as ours."""
        assert counted.events == self._events, counted
        assert counted.documents == is_document * self._events, counted
        if is_ours:
            found = json.loads(counted.first)
            number = found["event"]["n"]
            assert _plain(found) == _document(next(islice(some_events(), number, None))), found


def _document(event: dict[str, Any]) -> dict[str, Any]:
    """What is sent of an event."""
    return _plain(
        {
            "time": datetime.fromisoformat(event["timestamp"]).timestamp(),
            "host": "vaulytica",
            "source": "vaulytica",
            "sourcetype": f"vaulytica:{event['type']}",
            "event": {
                "event_type": event["type"],
                "severity": event["severity"],
                "timestamp": event["timestamp"],
                **event["data"],
            },
        }
    )


def _plain(document: dict[str, Any]) -> dict[str, Any]:
    """A timestamp of a whole second is written in two ways."""
    document["event"]["timestamp"] = document["event"]["timestamp"].replace(".000Z", "Z")
    return document


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
                **{
                    f"syslog-ng, {body.name}": partial(contest.peer, Settings(body))
                    for body in BODIES
                },
                "syslog-ng, workers(4)": partial(contest.peer, Settings(workers=4)),
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
