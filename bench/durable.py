"""The durable path: a file of events in, on disk, out to Splunk's collector; the relay and syslog-ng."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import yaml

from bench import syslog_ng
from bench.batches import BATCH, BODIES, LONGEST, PATH, TOKEN, TOKEN_NAME, Contest
from bench.events import write_events
from bench.machine import THEIRS, Measured, Program, compared, cpu_of, on_core, rounds_of, turns
from bench.receiver import NGINX, counting_receiver, receiver
from bench.syslog_ng import LEAST, Body, Settings
from vaulytica.errors import OutboxInUseError
from vaulytica.outbox.sqlite import SqliteOutbox

PEER, OURS = f"syslog-ng, {LEAST.name}", "vaulytica relay"


def relay_config(folder: Path, destinations: dict[str, dict[str, object]]) -> Path:
    """A relay's config with an outbox of its own, reading lines from stdin."""
    state = Path(tempfile.mkdtemp(dir=folder))
    config = {
        "outbox": f"sqlite://{state}/outbox.db",
        "intake": {"stdin": True},
        "drain": 0,
        "destinations": destinations,
    }
    path = state / "relay.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


class Durable(Contest):
    """The same runs, over a disk, where what comes together is not always a full batch."""

    _spare = 0.5

    def relay(self) -> Measured:
        """From the start of the process to the last answer, each of which is written down."""
        os.environ[TOKEN_NAME] = f"Splunk {TOKEN}"
        splunk = {
            "url": self._nginx.url + PATH,
            "format": "splunk_hec",
            "headers": {"Authorization": f"env:{TOKEN_NAME}"},
            "batch": {"max_events": BATCH},
        }
        config = relay_config(self._folder, {"splunk": splunk})
        self._nginx.forget()
        before = cpu_of(self._nginx.pid)
        python = shlex.quote(sys.executable)
        script = f"exec {python} -m vaulytica relay --config {config} < {self._file}"
        with Program(["sh", "-c", script]) as program:
            self._wait(program, config.parent / "outbox.db")
            program.stop()
            _, cpu = program.ended()
        return self._measured(program, cpu, before)

    def _wait(self, program: Program, path: Path) -> None:
        until = time.monotonic() + LONGEST
        while not path.exists() or not _is_done(path, self._events):
            assert program.running, "the relay has ended"
            assert time.monotonic() < until, "the relay did not send all"
            time.sleep(0.05)

    def with_disk_buffer(self, body: Body, *, plain: bool = False) -> Callable[[], Measured]:
        """syslog-ng, which keeps its messages on disk."""
        return partial(self.peer, Settings(body, durable=True, plain=plain))


def _is_done(path: Path, events: int) -> bool:
    try:
        with SqliteOutbox(path) as outbox:
            counts = outbox.counts().get("splunk")
    except OutboxInUseError:  # the relay is making it
        return False
    return counts is not None and counts.delivered == events


def durable(rounds: int, events: int) -> list[str]:
    """The table, or what to install."""
    version = syslog_ng.version()
    if NGINX is None or version is None:
        return ["Not measured: `apt-get install nginx-light syslog-ng-core syslog-ng-mod-http`."]
    with tempfile.TemporaryDirectory(prefix="vaulytica-bench-", dir=disk()) as folder:
        file = write_events(Path(folder, "events.ndjson"), events)
        with on_core(THEIRS), receiver() as nginx, counting_receiver() as counting:
            contest = Durable(Path(folder), file, events, nginx)
            contest.count(counting)
            contestants: dict[str, Callable[[], Measured]] = {
                **{f"syslog-ng, {body.name}": contest.with_disk_buffer(body) for body in BODIES},
                f"{PEER}, the manual's settings": contest.with_disk_buffer(LEAST, plain=True),
                OURS: contest.relay,
            }
            runs = rounds_of(contestants, rounds)
    peer = f"syslog-ng {version} with `disk-buffer(reliable(yes))`"
    return [
        f"{events:,} events, {BATCH} in a request; {peer}; {turns(rounds)}.",
        "",
        *compared(runs, PEER, events),
    ]


def disk() -> str:
    """A folder on a real disk: what is in memory only is no measure of an fsync."""
    return os.environ.get("VAULYTICA_BENCH_DISK", "/var/tmp")
