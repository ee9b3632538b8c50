"""Elasticsearch's bulk: from dicts in memory, and from a file; ours and elasticsearch-py's helpers."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bench.bulk_contestants import (
    ACTIONS,
    BATCH,
    EVENTS,
    INDEX,
    OURS,
    PEERS,
    Peer,
    again,
    prepared_bodies,
)
from bench.events import write_events
from bench.machine import OURS as CORE
from bench.machine import THEIRS, Measured, Program, compared, cpu_of, on_core, rounds_of, turns
from bench.receiver import Counting, counting_receiver

BASELINE = "helpers.bulk"
CEILING = "libcurl with prepared bodies"


def bulk(rounds: int, events: int) -> list[str]:
    """Both tables."""
    events -= events % BATCH
    with counting_receiver() as counting:
        return [
            f"{BATCH} events in a request; {turns(rounds)}.",
            "",
            f"#### {events:,} dicts in memory",
            "",
            *compared(rounds_of(_in_memory(counting, events), rounds), BASELINE, events),
            "",
            f"#### A file of {events:,} events",
            "",
            *_from_file(counting, rounds, events),
        ]


def _in_memory(counting: Counting, events: int) -> dict[str, Callable[[], Measured]]:
    def run(send: Callable[[], int]) -> Measured:
        before, cpu, started = cpu_of(counting.pid), time.process_time(), time.perf_counter()
        with on_core(CORE):
            taken = send()
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        return _complete(counting, taken, events, Measured(seconds, cpu), before)

    def of(contestant: Peer, things: list[dict[str, Any]]) -> Callable[[], int]:
        return lambda: contestant(counting.url, again(things, events))

    sends: dict[str, Callable[[], int]] = {
        **{name: of(peer, ACTIONS) for name, peer in PEERS.items()},
        **{name: of(ours, EVENTS) for name, ours in OURS.items()},
        CEILING: partial(prepared_bodies, counting.url, events),
    }
    return {name: partial(run, send) for name, send in sends.items()}


def _from_file(counting: Counting, rounds: int, events: int) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="vaulytica-bench-") as folder, on_core(THEIRS):
        file = str(write_events(Path(folder, "events.ndjson"), events))
        target = f"{counting.url}/{INDEX}/_bulk"

        def run(arguments: Sequence[str]) -> Measured:
            before, started = cpu_of(counting.pid), time.perf_counter()
            with Program([sys.executable, "-m", *arguments]) as program:
                output, cpu = program.ended()
            measured = Measured(time.perf_counter() - started, cpu)
            return _complete(counting, json.loads(output)["delivered"], events, measured, before)

        commands: dict[str, Iterable[str]] = {
            **{n: ("bench.bulk_contestants", n, file, counting.url) for n in PEERS},
            "vaulytica send": (
                *("vaulytica", "send", file, "--format", "elastic", "--url", target),
                *("--batch-events", str(BATCH), "--json"),
            ),
        }
        contestants = {name: partial(run, tuple(words)) for name, words in commands.items()}
        return compared(rounds_of(contestants, rounds), BASELINE, events)


def _complete(
    counting: Counting, taken: int, events: int, measured: Measured, before: float
) -> Measured:
    """The run, with how busy the receiver was; everybody must have sent all, in as many requests."""
    busy = (cpu_of(counting.pid) - before) / measured.seconds
    counted = counting.counted()
    assert taken == counted.events == events, f"{taken} taken, {counted}"
    assert counted.requests == events // BATCH, f"{counted}"
    return measured._replace(receiver=busy)
