"""Real faults under a whole relay: a full disk, failing writes, damage, receivers that die. Nothing is lost, and it goes on."""

from __future__ import annotations

import http.client
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.conservation import Ledger, Relay
from support.disks import disk, fill
from support.nursery import TESTS, until
from support.places import TOKEN, Place
from vaulytica.outbox.sqlite import SqliteOutbox


@pytest.fixture
def make() -> Iterator[Callable[..., Relay]]:
    """Makes relays in a folder, with one webhook that takes lines, or with the places given."""
    made: list[Relay] = []

    def relay(folder: Path, *places: Place, **config: object) -> Relay:
        made.append(Relay(folder, places or [Place("webhook", "json ndjson")], **config))
        return made[-1]

    yield relay
    for one in made:
        one.close()


class Said:
    """An answer of the intake."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status, self.retry_after = answer.status, answer.headers["Retry-After"]
        self.body = answer.read().decode()


def post(one: Relay, *names: str, size: int = 0) -> Said:
    body = "\n".join(
        json.dumps({"type": "t", "data": {"of": name, "text": "x" * size}}) for name in names
    )
    connection = http.client.HTTPConnection("127.0.0.1", one.port, timeout=30)
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/x-ndjson"}
    try:
        connection.request("POST", "/v1/events", body.encode(), headers)
        return Said(connection.getresponse())
    finally:
        connection.close()


def accepted(one: Relay, count: int, mark: str, *, size: int = 0) -> set[str]:
    names = [f"@{mark}-{number}@" for number in range(count)]
    for at in range(0, count, 20):
        assert post(one, *names[at : at + 20], size=size).status == 202
    return set(names)


def stopped(one: Relay) -> None:
    assert one.process is not None
    one.process.signal(signal.SIGTERM)
    assert one.process.wait() == 0, one.process.log.read_text("utf-8")


def test_a_full_disk_while_events_are_accepted(tmp_path: Path, make: Callable[..., Relay]) -> None:
    """First what puts may use is spent, then the last byte; then there is room again."""
    with disk(tmp_path / "disk", 96) as folder:
        one = make(folder)
        (place,) = one.places
        process = one.start()
        place.before = lambda _: time.sleep(0.01)
        names = accepted(one, 400, "a")
        filler = fill(folder / "filler", leave=20 * 2**20)
        said = post(one, "@b@")
        assert (said.status, said.retry_after) == (503, "5")
        assert "cannot keep events now; its log says why" in said.body
        process.until(f"outbox {one.outbox_path}: the disk is nearly full (")
        fill(filler)
        assert post(one, "@c@").status == 503
        time.sleep(1.5)  # lanes claim and settle meanwhile, or try to
        filler.unlink()
        names |= accepted(one, 100, "d")
        Ledger(one).check(names)
        assert set(place.taken.values()) == {1}, "what could not be written down was remembered"
        stopped(one)


def test_a_log_that_cannot_be_written_stops_nothing(
    tmp_path: Path, make: Callable[..., Relay]
) -> None:
    """It is often on the disk that is full."""
    one = make(tmp_path)
    (place,) = one.places
    process = one.start(log=Path("/dev/full"))
    place.before = lambda _: time.sleep(0.01)
    names = accepted(one, 300, "a")
    limits = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (4096, limits[1]))
    said = post(one, "@b@")  # which the relay logs, as it does that lanes cannot write
    assert (said.status, said.retry_after) == (503, "5")
    time.sleep(1.5)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, limits)
    names |= accepted(one, 100, "c")
    Ledger(one).check(names)
    assert set(place.taken.values()) == {1}
    process.signal(signal.SIGTERM)
    assert process.wait() == 0


def test_a_log_tells_once_of_many_that_are_refused(
    tmp_path: Path, make: Callable[..., Relay]
) -> None:
    with disk(tmp_path / "disk", 80) as folder:
        one = make(folder)
        process = one.start()
        fill(folder / "filler", leave=8 * 2**20)
        assert {post(one, "@a@").status for _ in range(20)} == {503}
        assert process.log.read_text("utf-8").count("is nearly full") == 1
        stopped(one)


def test_a_read_only_disk_at_the_start(tmp_path: Path, make: Callable[..., Relay]) -> None:
    with disk(tmp_path / "disk", 80) as folder:
        one = make(tmp_path)
        one.configure()
        config = one.path.read_text().replace(str(one.outbox_path), str(folder / "outbox.db"))
        one.path.write_text(config)
        SqliteOutbox(folder / "outbox.db").close()
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        process = one.start(ready=False)
        assert process.wait() == 1
        said = process.log.read_text("utf-8").splitlines()[-1]
        assert said.startswith(f"vaulytica: error: outbox {folder}/outbox.db")
        assert "ead-only" in said


def damage(path: Path, first: int) -> None:
    """Overwrite the beginnings of pages from that one on."""
    with path.open("r+b") as file:
        for page in range(first, path.stat().st_size // 16384):
            file.seek(page * 16384)
            file.write(os.urandom(200))


def kept(one: Relay, count: int) -> set[str]:
    """Put events past the intake, all in the file and not in its log."""
    names = [f"@k-{number}@" for number in range(count)]
    with SqliteOutbox(one.outbox_path) as outbox:
        for name in names:
            outbox.put({"type": "t", "data": {"of": name, "text": "x" * 2000}}, ["webhook"])
    return set(names)


def test_a_file_that_is_damaged_at_the_start(tmp_path: Path, make: Callable[..., Relay]) -> None:
    one = make(tmp_path)
    kept(one, 50)
    damage(one.outbox_path, 0)
    process = one.start(ready=False)
    assert process.wait() == 1
    said = process.log.read_text("utf-8").splitlines()[-1]
    assert said.startswith(f"vaulytica: error: outbox {one.outbox_path} is damaged (")
    assert f"vaulytica outbox recover --outbox {one.url} --into NEW_FILE" in said


def test_a_page_that_turns_out_to_be_damaged(tmp_path: Path, make: Callable[..., Relay]) -> None:
    """The relay says so, with the command that helps; what that saves is delivered by a relay on the new file."""
    one = make(tmp_path)
    (place,) = one.places
    names = kept(one, 400)
    size = one.outbox_path.stat().st_size // 16384
    damage(one.outbox_path, size - size // 4)
    process = one.start()
    process.until(f"outbox {one.outbox_path} is damaged (")
    process.until(f"vaulytica outbox recover --outbox {one.url} --into NEW_FILE")
    process.kill()
    audit = one.outbox_command("audit")
    assert audit.wait() == 1, audit.log.read_text("utf-8")
    new = tmp_path / "new.db"
    recover = one.outbox_command("recover", "--into", str(new))
    assert recover.wait() in (0, 1), recover.log.read_text("utf-8")
    one.outbox_path, one.url = new, f"sqlite://{new}"
    one.configure()
    one.start()
    Ledger(one).drained()
    assert place.taken.keys() <= names
    assert len(place.taken) > len(names) // 4
    stopped(one)


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
        again_and_again.join(20)
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
