"""A nursery for processes that are killed with -9: `python killed.py FOLDER KILLS SEED KIND`.

Each child works on the same outbox and tells what it has been told, byte for byte, before it goes on.
The nursery kills it at a random moment, and begins the next. In the end it prints, as JSON, what must
then be there. It forks, so that a child lives within milliseconds.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from vaulytica.outbox.delivery import Filter, Part, Retention, Tried, Verdict
from vaulytica.outbox.parcel import Parcel
from vaulytica.outbox.sqlite import SqliteOutbox, schema
from vaulytica.outbox.states import State, Step

NAMES = ("one", "two")
FATES = (State.DELIVERED, State.DELIVERED, State.DEAD, State.DEFERRED)
FOREVER = Retention(1e9)
SECOND = """
ALTER TABLE outbox_delivery ADD COLUMN note TEXT;
CREATE TABLE outbox_note (id INTEGER PRIMARY KEY, text TEXT);
INSERT INTO outbox_note SELECT id, 'note' FROM outbox_delivery;
UPDATE outbox_delivery SET note = (SELECT text FROM outbox_note n WHERE n.id = outbox_delivery.id);
DROP TABLE outbox_note;
"""
Tell = Callable[..., None]


def put(outbox: SqliteOutbox, name: str, tell: Tell) -> None:
    """Threads that put, each by itself: what is told has to be there from then on."""

    def one(thread: int) -> None:
        number = 0
        while True:
            ids = [f"{name}-{thread}-{number}-{n}" for n in range(1 + number % 3)]
            events = [{"type": "t", "data": {"of": id}, "id": id} for id in ids]
            outbox.put(Parcel.of(events), NAMES[: 1 + number % 2])
            tell("kept", NAMES[: 1 + number % 2], ids)
            number += 1

    for thread in range(3):
        threading.Thread(target=one, args=(thread,), daemon=True).start()
    time.sleep(60)


def settle(outbox: SqliteOutbox, name: str, tell: Tell) -> None:
    """Puts, claims, settles in parts: nobody gets an event again of which it is told that it is settled."""
    rng = random.Random(name)
    number = 0
    while True:
        ids = [f"{name}-{number}-{n}" for n in range(4)]
        events = [{"type": "t", "data": {"of": id}, "id": id} for id in ids]
        outbox.put(Parcel.of(events), NAMES)
        tell("kept", NAMES, ids)
        number += 1
        to = rng.choice(NAMES)
        for delivery in outbox.claim(to, 8, lease=0.05):
            ids = [json.loads(line)["id"] for line in delivery.body.splitlines()]
            tell("sent", [to], ids)
            fates = [rng.choice(FATES) for _ in ids]
            parts = tuple(
                Part(
                    state=fate,
                    lines=[at for at, one in enumerate(fates) if one is fate],
                    attempts=1,
                    tried=(Tried(0.0, "no"),),
                )
                for fate in set(fates)
            )
            if not outbox.settle([Verdict(delivery, parts)]):
                done = [id for id, fate in zip(ids, fates, strict=True) if fate is State.DELIVERED]
                tell("settled", [to], done)


def replay(outbox: SqliteOutbox, name: str, tell: Tell) -> None:
    """Moves all to and fro."""
    rng = random.Random(name)
    grep = [None, "^[^ ]*[02468]$"]
    while True:
        step = rng.choice((Step.BURY, Step.REPLAY))
        outbox.move(step, Filter(grep=rng.choice(grep)), after=rng.randrange(50), most=20)
        tell("moved", [], [])


def migrate(outbox: SqliteOutbox | None, name: str, tell: Tell) -> None:
    """Opens a file of the first version as the second, which takes a while."""
    raise AssertionError("it is the opening that is killed")


KINDS = {"put": put, "settle": settle, "replay": replay, "migrate": migrate}


def child(path: Path, kind: str, name: str, pipe: int) -> None:
    lock = threading.Lock()

    def tell(what: str, to: list[str] | tuple[str, ...], ids: list[str]) -> None:
        with lock:
            os.write(pipe, json.dumps([what, list(to), ids]).encode() + b"\n")

    if kind == "migrate":
        first = schema.migrations()
        schema.migrations = lambda: [*first, (2, SECOND)]
        with SqliteOutbox(path, retention=FOREVER) as outbox:
            tell("migrated", [], [])
            outbox.put(Parcel.of({"type": "t", "data": {}, "id": name}), ["one"])
            tell("kept", ["one"], [name])
        time.sleep(60)
    with SqliteOutbox(path, retention=FOREVER) as outbox:
        KINDS[kind](outbox, name, tell)


def read_into(told: list[list], pipe: int) -> None:
    with os.fdopen(pipe, "rb") as file:
        for line in file:
            if line.endswith(b"\n"):  # what follows the last end is half a line
                told.append(json.loads(line))


def wait_for(told: list[list], lines: int) -> None:
    """Until it has told so many: how long that takes is the machine's affair."""
    end = time.monotonic() + 60
    while len(told) < lines and time.monotonic() < end:
        time.sleep(0.001)


def main(folder: str, kills: str, seed: str, kind: str) -> None:
    path, rng = Path(folder) / "outbox.db", random.Random(int(seed))
    told = []
    for number in range(int(kills)):
        reads, writes = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(reads)
                child(path, kind, f"c{number}", writes)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(3)  # it must never come to its end
        os.close(writes)
        collected: list[list] = []
        reader = threading.Thread(target=read_into, args=(collected, reads))
        reader.start()
        if kind != "migrate":
            wait_for(collected, rng.randrange(24))
        time.sleep(rng.uniform(0.001, 0.03))
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        reader.join()
        assert os.WIFSIGNALED(status), "a child came to its end by itself"
        told.append(collected)
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
