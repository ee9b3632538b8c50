"""`kill -9` at random moments, while a relay accepts, delivers and settles: what was accepted arrives.

`VAULYTICA_KILLS` says how many kills there are in all; `make soak` takes 200.
"""

from __future__ import annotations

import http.client
import os
import random
import threading
import time

import pytest

from support.relay import RelayProcess, Sink, wait_until
from vaulytica.receiving.receiver import Answer, Lost

KILLS = int(os.environ.get("VAULYTICA_KILLS", "12"))
BATCH = {"format": "json", "batch": {"as": "ndjson", "max_events": 20, "max_wait": 0.01}}
EACH = 10  # events of a request
WIDTH = 4  # requests of a lane at a time


class Client(threading.Thread):
    """Posts batch after batch, each under a key of its own until it is accepted, whatever happens meanwhile."""

    def __init__(self, one: RelayProcess, number: int) -> None:
        super().__init__(daemon=True)
        self.one, self.number = one, number
        self.accepted: list[str] = []
        self.over = threading.Event()
        self.asked_again = 0

    def run(self) -> None:
        batch = 0
        while not self.over.is_set():
            ids = [f"c{self.number}-{batch}-{n}" for n in range(EACH)]
            lines = "".join(f'{{"type":"t","id":"{id}","data":{{"id":"{id}"}}}}\n' for id in ids)
            while not self._post(lines, f"c{self.number}-{batch}"):
                self.asked_again += 1
                time.sleep(0.02)
            self.accepted += ids
            batch += 1

    def _post(self, lines: str, key: str) -> bool:
        host = self.one.url.removeprefix("http://")
        connection = http.client.HTTPConnection(host, timeout=20)
        try:
            headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": key}
            connection.request("POST", "/v1/events", lines, headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status == 202
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def flapping(sink: Sink, rng: random.Random) -> None:
    """Mostly well; now and then busy, out of order, or gone before it has answered."""

    def behave(*_):
        chance = rng.random()
        if chance < 0.05:
            raise Lost
        return Answer(rng.choice([500, 503, 429])) if chance < 0.2 else None

    sink.behave = behave


@pytest.mark.parametrize("seed", range(max(1, KILLS // 50) if KILLS > 50 else 2))
@pytest.mark.timeout(max(120, KILLS * 10))
def test_what_was_accepted_arrives(relay, sink, seed):
    rng = random.Random(seed)
    well, bad = sink(), sink()
    flapping(bad, rng)
    lane = {**BATCH, "concurrency": WIDTH, "patience": 3600}
    one = relay({"well": {"url": well.url, **lane}, "bad": {"url": bad.url, **lane}}, start=False)
    listen = f"127.0.0.1:{free_port()}"
    one.write({**one.config, "intake": {"listen": listen}, "outbox": f"sqlite://{one.outbox_path}"})
    one.start()
    clients = [Client(one, number) for number in range(3)]
    for client in clients:
        client.start()
    kills = KILLS // 2 if KILLS <= 50 else 50
    for _ in range(kills):
        wait_until(lambda: all(client.accepted for client in clients), "the first batches")
        time.sleep(rng.uniform(0.0, 0.4))
        one.kill()
        one.check_the_law()
        one.start()
    for client in clients:
        client.over.set()
    for client in clients:
        client.join(30)
        assert not client.is_alive()
    one.wait_delivered(seconds=60)
    accepted = [id for client in clients for id in client.accepted]
    assert len(accepted) == len(set(accepted)) > 0
    for name, to in (("well", well), ("bad", bad)):
        assert set(to.taken) == set(accepted), f"lost, or made up, at {name}"
        twice = {id for id, count in to.taken.items() if count > 1} - to.untold
        # Only what was under way when it was killed, or answered and not written down yet.
        assert len(twice) <= kills * WIDTH * 20 * 2
        print(f"{name}: {kills} kills, {len(accepted)} events, lost 0, doubled {len(twice)}")
    assert one.counts()["well"].accepted == len(accepted), "each batch was kept once"
    one.check_the_law()


def free_port() -> int:
    import socket

    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])
