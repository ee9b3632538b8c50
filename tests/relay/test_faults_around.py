"""Faults around a relay: receivers that die or are down, and a second relay. Each costs what it must, and no more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from support.conservation import Ledger, Relay
from support.nursery import TESTS, until
from support.places import Place
from support.putting import accepted, stopped
from vaulytica.outbox.sqlite import SqliteOutbox

MORTAL = """
import json, os, signal, sys
from support.places import names_in
from vaulytica.receiving.receiver import Receiver
port, file = int(sys.argv[1]), open(sys.argv[2], "a")
number = 0
def respond(received):
    global number
    number += 1
    dies = number % 4 == 0
    file.write(json.dumps([names_in(received.body.decode()), dies]) + "\\n")
    file.flush()
    if dies:
        os.kill(os.getpid(), signal.SIGKILL)
Receiver(port=port, respond=respond, keep=0)
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_receiver_that_is_killed_in_the_midst_of_an_answer(
    tmp_path: Path, make: Callable[..., Relay]
) -> None:
    """It has taken the batch, and dies before it says so: that comes twice, and nothing else does."""
    place = Place("webhook", "json ndjson")
    place.closes()
    one = make(tmp_path, place)
    one.configure(webhook={"concurrency": 1})
    taken = tmp_path / "taken"
    command = [sys.executable, "-c", MORTAL, str(place.port), str(taken)]
    over, deaths = threading.Event(), 0

    def mortal() -> None:
        nonlocal deaths
        while not over.is_set():
            with subprocess.Popen(
                command, stdin=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(TESTS)}
            ) as process:
                while process.poll() is None and not over.wait(0.01):
                    pass
                process.kill()
            deaths += 1

    again_and_again = threading.Thread(target=mortal)
    again_and_again.start()
    try:
        one.start()
        names = accepted(one, 300, "a")
        Ledger(one).drained()
    finally:
        over.set()
        again_and_again.join(60)
    stopped(one)
    told, untold = Counter[str](), Counter[str]()
    for line in taken.read_text().splitlines():
        found, died = json.loads(line)
        (untold if died else told).update(found)
    assert told == dict.fromkeys(names, 1)
    assert deaths > 2
    assert set(untold) <= names
    assert untold


def test_the_second_relay_stops_and_may_begin_when_the_first_is_killed(
    tmp_path: Path, make: Callable[..., Relay]
) -> None:
    one = make(tmp_path)
    first = one.start()
    names = accepted(one, 100, "a")
    second = one.start(ready=False)
    assert second.wait() == 1
    said = f"outbox {one.outbox_path} is in use by another relay (process {first.pid}); stop it"
    assert said in second.log.read_text("utf-8")
    first.kill()
    one.start()
    names |= accepted(one, 100, "b")
    Ledger(one).drained()
    assert one.places[0].taken.keys() == names
    stopped(one)


def seconds_for(one: Relay, count: int, mark: str) -> float:
    """Until the webhook has so many events more."""
    place = next(place for place in one.places if place.name == "webhook")
    before, began = len(place.taken), time.monotonic()
    accepted(one, count, mark)
    until(lambda: len(place.taken) >= before + count, lambda: f"{len(place.taken)}")
    return time.monotonic() - began


def test_destinations_that_are_down_cost_the_others_nothing(
    tmp_path: Path, make: Callable[..., Relay]
) -> None:
    """One refuses connections, one never answers, one is busy for ever."""
    (tmp_path / "alone").mkdir()
    (tmp_path / "among").mkdir()
    alone = make(tmp_path / "alone")
    alone.start()
    seconds_for(alone, 200, "w")
    best = min(seconds_for(alone, 1000, f"a{n}") for n in range(2))
    stopped(alone)
    gone, silent, busy = (Place(name, "json ndjson") for name in ("gone", "silent", "busy"))
    gone.closes()
    over = threading.Event()
    silent.before = lambda _: over.wait(60)
    busy.stand_in.refuse = lambda _: 503
    one = make(tmp_path / "among", gone, silent, busy, Place("webhook", "json ndjson"))
    try:
        process = one.start()
        seconds_for(one, 200, "w")
        found = min(seconds_for(one, 1000, f"b{n}") for n in range(2))
        with SqliteOutbox(one.outbox_path) as outbox:
            pending = {name: count.pending for name, count in outbox.counts().items()}
        assert [pending[name] for name in ("gone", "silent", "busy")] == [2200] * 3
        # The machine is shared, so this is coarse; the benchmarks have the figures.
        assert found < 3 * best + 1.0, f"{found:.2f} s, and {best:.2f} s alone"
        process.kill()
    finally:
        over.set()
