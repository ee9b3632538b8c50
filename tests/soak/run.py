"""The soak: `python tests/soak/run.py [--seconds N] [--seed N]`, which is `make soak`.

A relay at work, with three destinations, and all faults at once, at random: it is killed, stopped,
reloaded; receivers vanish, dawdle, refuse, lose answers; the clock jumps; the disk fills up. Every
minute or so all is mended, drained, and compared with what the clients were told.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from soak.faults import Faults, Mood
from support.conservation import Ledger, Relay
from support.disks import MountRefused, mounted
from support.places import Place
from support.putting import Client, Logger

ROUND = 60.0  # seconds from one comparison to the next
DISK = 192  # MiB
KINDS = {"splunk": "splunk_hec", "elastic": "elastic bulk", "webhook": "json ndjson"}


class Soak:
    """One relay and all around it. `figures` adds up what happened."""

    def __init__(self, folder: Path, seed: int, *, small_disk: bool) -> None:
        self.folder, self.chance = folder, random.Random(seed)
        self.figures: Counter[str] = Counter()
        self.moods = {name: Mood(self.chance) for name in KINDS}
        self.places = [self._place(name, kind) for name, kind in KINDS.items()]
        tail = {"path": f"{folder}/*.log*", "as": "json"}
        self.relay = Relay(
            folder / "disk" if small_disk else folder, self.places, intake={"tail": [tail]}
        )
        self.relay.clock = folder / "clock"
        self.ledger = Ledger(self.relay)
        self.faults = Faults(self.relay, self.moods, self.ledger, self.figures, self.chance)
        self.faults.has_small_disk = small_disk

    def _place(self, name: str, kind: str) -> Place:
        mood = self.moods[name]
        place = Place(name, kind, refuse=mood.refuse(kind), reject=mood.reject)
        place.before, place.after = mood.before, mood.after
        return place

    def round(self, number: int, seconds: float) -> None:
        """Faults for so long; then the law."""
        over = threading.Event()
        clients = [
            Client(f"r{number}c{n}", self.relay.port, over, pause=0.05, patience=5.0)
            for n in range(4)
        ]
        log = self.folder / f"app-{number}.log"
        log.touch()
        logger = Logger(log, over, f"r{number}l", pause=0.05)
        for thread in (*clients, logger):
            thread.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.faults.one()
        over.set()
        self.faults.mend()
        for thread in (*clients, logger):
            thread.join(60)
            assert not thread.is_alive(), "a client is never answered"
        self._compare(clients, logger)

    def _compare(self, clients: list[Client], logger: Logger) -> None:
        for client in clients:
            assert client.failure is None, client.failure
            self.figures["refused with 429 or 503"] += client.statuses[429] + client.statuses[503]
            self.figures["asked again"] += client.tries - client.requests
        accepted = set().union(*(client.accepted for client in clients), logger.names)
        self.ledger.until_accepted(len(accepted))
        while any(count.dead for count in self.ledger.drained().values()):
            assert self.relay.outbox_command("replay").wait() == 0
            self.figures["replays"] += 1
        found = self.ledger.check(accepted)
        for name in ("events", "deliveries", "doubled"):
            self.figures[name] += found[name]
        self.ledger.begin_anew()

    def close(self) -> None:
        self.relay.close()


@contextlib.contextmanager
def place_for(folder: Path) -> Iterator[bool]:
    """Whether there is a small disk in it."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(mounted(folder / "disk", DISK))
        except MountRefused as error:
            print(f"no full disk in this run: {error}", file=sys.stderr)
            yield False
        else:
            yield True


def soak(seconds: float, seed: int, *, each: float = ROUND) -> Counter[str]:
    """Run it; raises what breaks the law."""
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="vaulytica-soak-"))
    with place_for(folder) as small_disk:
        one = Soak(folder, seed, small_disk=small_disk)
        try:
            number = 0
            while (left := seconds - (time.monotonic() - began)) > 0:
                one.round(number, min(each, left))
                number += 1
                print(json.dumps({"round": number, **one.figures}), file=sys.stderr, flush=True)
            one.faults.stop()
        except BaseException:
            evidence = folder / "evidence"  # what is on the small disk goes with it
            shutil.copytree(one.relay.folder, evidence, ignore=shutil.ignore_patterns("filler"))
            print(f"what is left of it: {evidence}", file=sys.stderr)
            raise
        finally:
            one.close()
    shutil.rmtree(folder)
    one.figures["rounds"] = number
    one.figures["seconds"] = round(time.monotonic() - began)
    one.figures["lost"] = 0  # or it would have been raised
    return one.figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    given = parser.parse_args()
    print(f"seed {given.seed}", file=sys.stderr)
    figures = soak(given.seconds, given.seed)
    print(json.dumps(dict(sorted(figures.items()))))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        main()
