"""kill -9 of the whole relay, more than a hundred times: what was accepted arrives, and twice only where it must.

Real receivers of three formats outlive it, and count every event. After each kill the audit has to be
right; after each series all is drained, and compared with what the clients were told.
`pytest -rP tests/relay/test_kills.py` shows the figures.
"""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from support.conservation import Ledger, Relay
from support.nursery import until
from support.places import Place
from support.putting import Client, Logger
from vaulytica.outbox.sqlite import SqliteOutbox, schema
from vaulytica.receiving.receiver import Received

# By what the relay is doing; `docs/RELIABILITY.md` tells of them.
KILLS = {
    "accept": 24,
    "deliver": 20,
    "settle": 20,
    "replay": 16,
    "migrate": 14,
    "tail": 14,
    "reload": 12,
}
NAMES = ("splunk", "elastic", "webhook")

pytestmark = pytest.mark.timeout(180)


def part(name: str, of: int) -> int:
    """A number below `of` that only the name decides."""
    return crc32(name.encode()) % of


def places(**faults: dict[str, Any]) -> list[Place]:
    kinds = ("splunk_hec", "elastic bulk", "json ndjson")
    return [
        Place(name, kind, **faults.get(name, {})) for name, kind in zip(NAMES, kinds, strict=True)
    ]


@contextmanager
def relay(folder: Path, made: list[Place], **config: Any) -> Iterator[tuple[Relay, Ledger]]:
    one = Relay(folder, made, **config)
    try:
        yield one, Ledger(one)
    finally:
        one.close()


def prefilled(one: Relay, count: int, mark: str = "p") -> set[str]:
    """Put so many events past the intake."""
    names = [f"@{mark}-{number}@" for number in range(count)]
    with SqliteOutbox(one.outbox_path) as outbox:
        for at in range(0, count, 20):
            entries = [{"type": "t", "data": {"of": name}} for name in names[at : at + 20]]
            outbox.put(entries, NAMES)
    return set(names)


def finished(
    one: Relay, ledger: Ledger, kind: str, accepted: set[str], **more: Any
) -> dict[str, int]:
    """Compare all, and tell the figures."""
    found = ledger.check(accepted, **more)
    assert found["kills"] == KILLS[kind]
    assert one.process is not None
    one.process.signal(signal.SIGTERM)
    assert one.process.wait() == 0, one.process.log.read_text("utf-8")
    print(json.dumps({"while": kind, **found}))
    return found


def test_while_events_are_accepted(tmp_path: Path) -> None:
    chance, over = random.Random(1), threading.Event()
    with relay(tmp_path, places()) as (one, ledger):
        clients = [Client(f"c{n}", one.port, over) for n in range(5)]
        for client in clients:
            client.start()
        for kill in range(KILLS["accept"]):
            process = one.start(ready=kill % 4 > 0)  # one in four while it starts
            time.sleep(chance.uniform(0.0, 0.2))
            process.kill()
            ledger.after_kill()
        one.start()
        over.set()
        for client in clients:
            client.join(60)
            assert client.failure is None
        accepted = {name for client in clients for name in client.accepted}
        assert accepted == {name for client in clients for name in client.offered}
        tries, requests = (sum(getattr(c, what) for c in clients) for what in ("tries", "requests"))
        assert tries > requests  # kills did hit requests
        found = finished(one, ledger, "accept", accepted)
    assert found["events"] > 500


def test_while_events_are_delivered(tmp_path: Path) -> None:
    chance = random.Random(2)
    made = places()
    for place in made:
        place.before = lambda _: time.sleep(0.004)
    with relay(tmp_path, made) as (one, ledger):
        accepted = prefilled(one, 2000)
        for kill in range(KILLS["deliver"]):
            process = one.start(ready=kill % 4 > 0)
            time.sleep(chance.uniform(0.0, 0.12))
            process.kill()
            ledger.after_kill()
            accepted |= prefilled(one, 100, f"q{kill}")
        one.start()
        finished(one, ledger, "deliver", accepted)


def test_while_partial_answers_are_settled(tmp_path: Path) -> None:
    """Some kills are set like traps: between the taking of a batch and its answer, so that it comes again."""
    made = places(
        splunk={
            "reject": lambda event: (
                "no" if part(json.dumps(event["event"]["of"]), 40) == 0 else None
            ),
            "refuse": lambda n: 9 if n % 7 == 0 else None,
        },
        elastic={
            "defer": lambda document, nth: nth == 1 and part(document["vaulytica"]["of"], 3) == 0,
            "reject": lambda document: "no" if part(document["vaulytica"]["of"], 25) == 0 else None,
        },
        webhook={"lose": lambda n: n % 9 == 0},
    )
    chance = random.Random(3)
    traps: list[Callable[[], None]] = []

    def trap(_: Received) -> None:
        if traps and chance.random() < 0.2:
            traps.pop()()

    for place in made:
        place.after = trap
    with relay(tmp_path, made) as (one, ledger):
        accepted = prefilled(one, 600)
        for kill in range(KILLS["settle"]):
            accepted |= prefilled(one, 100, f"s{kill}")
            process = one.start()
            if kill % 2:
                time.sleep(chance.uniform(0.0, 0.15))
            else:
                traps.append(lambda process=process: process.signal(signal.SIGKILL))  # type: ignore[misc]
                until(lambda: not traps, lambda: "the trap")
            process.kill()
            ledger.after_kill()
        one.start()
        found = finished(one, ledger, "settle", accepted)
    assert found["dead"] > 0
    assert found["doubled"] > 0


def test_while_dead_letters_are_replayed(tmp_path: Path) -> None:
    """Of the relay, of the command that replays, or of both. Each event is refused until it is replayed twice."""
    seen: dict[str, int] = {}

    def reject(event: Any) -> str | None:
        name = event["event"]["of"]
        seen[name] = seen.get(name, 0) + 1
        return "not yet" if part(name, 4) == 0 and seen[name] <= 2 else None

    chance = random.Random(4)
    with relay(tmp_path, places(splunk={"reject": reject})) as (one, ledger):
        accepted = prefilled(one, 500)
        for kill in range(KILLS["replay"]):
            accepted |= prefilled(one, 40, f"r{kill}")
            process = one.start()
            time.sleep(chance.uniform(0.0, 0.1))
            command = one.outbox_command("replay", "--destination", "splunk", "--rate", "2000")
            time.sleep(chance.uniform(0.0, 0.15))
            victims = [[process, command], [command, process], [process]][kill % 3]
            for victim in victims:
                victim.kill()
            command.wait()
            process.kill()
            ledger.after_kill()
        one.start()
        until(lambda: _replayed(one, ledger), lambda: "replaying")
        found = finished(one, ledger, "replay", accepted)
    assert found["dead"] == 0
    assert max(seen.values()) > 2


def _replayed(one: Relay, ledger: Ledger) -> bool:
    if not ledger.drained()["splunk"].dead:
        return True
    assert one.outbox_command("replay", "--destination", "splunk").wait() == 0
    return False


def test_while_the_file_is_brought_to_a_newer_version(tmp_path: Path) -> None:
    chance, migrated = random.Random(5), 0
    with relay(tmp_path, places()) as (one, ledger):
        one.next_schema = True
        accepted: set[str] = set()
        for kill in range(KILLS["migrate"]):
            migrated += _as_of_old(one.outbox_path)
            accepted |= prefilled(one, 300, f"m{kill}")
            process = one.start(ready=False)
            time.sleep(chance.uniform(0.02, 0.16))
            process.kill()
            ledger.after_kill()
        one.start()
        finished(one, ledger, "migrate", accepted)
    assert migrated > 0  # some kills came after it, some before or within


def _as_of_old(path: Path) -> bool:
    """Take the newer version's change back; whether it was there."""
    if not path.exists():
        return False
    connection = sqlite3.connect(path, isolation_level=None)
    (version,) = connection.execute("SELECT max(version) FROM outbox_schema").fetchone()
    newest = schema.migrations()[-1][0]
    if version > newest:
        connection.execute("BEGIN")
        connection.execute("ALTER TABLE outbox_delivery DROP COLUMN note")
        connection.execute("DELETE FROM outbox_schema WHERE version = ?", (version,))
        connection.execute("COMMIT")
    connection.close()
    return bool(version > newest)


def test_while_a_file_is_followed(tmp_path: Path) -> None:
    chance, over, path = random.Random(7), threading.Event(), tmp_path / "app.log"
    path.touch()
    logger = Logger(path, over)
    tail = {"path": f"{path}*", "as": "json"}
    with relay(tmp_path, places(), intake={"tail": [tail]}) as (one, ledger):
        logger.start()
        for _ in range(KILLS["tail"]):
            process = one.start()
            time.sleep(chance.uniform(0.05, 0.35))
            process.kill()
            ledger.after_kill()
        over.set()
        logger.join(60)
        one.start()
        with SqliteOutbox(one.outbox_path) as outbox:
            until(
                lambda: outbox.counts()["webhook"].accepted >= len(logger.names),
                lambda: f"{outbox.counts()} of {len(logger.names)} lines",
            )
        found = finished(one, ledger, "tail", logger.names)
    assert found["events"] > 300
    assert (tmp_path / "app.log.1").exists()


def test_while_the_config_is_reloaded(tmp_path: Path) -> None:
    chance = random.Random(8)
    made = places()
    for place in made:
        place.before = lambda _: time.sleep(0.003)
    with relay(tmp_path, made) as (one, ledger):
        accepted: set[str] = set()
        for kill in range(KILLS["reload"]):
            accepted |= prefilled(one, 200, f"h{kill}")
            process = one.start()
            for _ in range(chance.randint(1, 3)):
                changes = {name: {"concurrency": chance.randint(1, 4)} for name in NAMES}
                one.configure(**changes)
                process.signal(signal.SIGHUP)
                time.sleep(chance.uniform(0.0, 0.08))
            process.kill()
            ledger.after_kill()
        one.start()
        finished(one, ledger, "reload", accepted)
