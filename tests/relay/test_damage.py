"""A relay on a damaged file: what can be read is delivered, what can be settled is settled, and it is said."""

from __future__ import annotations

import json
import resource
import sqlite3
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from support.damage import PAGE, Whole
from support.relay import PATIENCE, wait_until
from vaulytica.outbox.sqlite.noted import noted_damage
from vaulytica.outbox.sqlite.recover import recover

LINES = {"format": "json", "batch": {"as": "ndjson", "max_events": 20}}
JSON = {"Content-Type": "application/json"}
_GRACE = 5.0  # seconds that requests under way get at the end: here there are none


def overwrite(path: Path, pages: list[int]) -> None:
    """Pages (from 0) with what can be no page of SQLite's."""
    with path.open("r+b") as file:
        for page in pages:
            file.seek(page * PAGE)
            file.write(b"\xff" * PAGE)


def root_of(path: Path, name: str) -> int:
    """The page (from 0) at which an index or a table begins."""
    connection = sqlite3.connect(path)
    try:
        query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        return int(connection.execute(query, (name,)).fetchone()[0]) - 1
    finally:
        connection.close()


def ids_of(lines: set[bytes]) -> set[str]:
    return {json.loads(line)["id"] for line in lines}


def post(one) -> int:
    """The status that one event gets."""
    event = json.dumps({"type": "t", "data": {"id": "p"}}).encode()
    request = urllib.request.Request(f"{one.url}/v1/events", event, JSON)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def seconds_to_stop(one) -> float:
    """From SIGTERM to the end, which must be a good one."""
    began = time.monotonic()
    assert one.stop() == 0
    took = time.monotonic() - began
    assert one.errors == ""
    return took


def test_what_stands_beside_damaged_pages_is_delivered_to_all(relay, sink):
    a, b = sink(), sink()
    places = {"a": {"url": a.url, **LINES}, "b": {"url": b.url, **LINES}}
    one = relay(places, start=False, drain=600)
    every = [f"e-{n}" for n in range(1200)]
    one.put(every, ["a", "b"], each=20, pad="x" * 300)
    whole = Whole(one.outbox_path)
    pages = whole.of_bodies()
    damaged = [pages[15], pages[16], pages[40]]
    overwrite(one.outbox_path, damaged)
    there = ids_of(whole.untouched(damaged))
    assert 1000 < len(there) < 1200
    one.start()
    wait_until(lambda: there <= a.taken.keys() and there <= b.taken.keys(), "what is readable")
    said = one.wait_for("outbox damaged", level="error")
    assert f"outbox {one.outbox_path} is damaged (" in said["why"]
    assert f"vaulytica outbox recover --outbox sqlite://{one.outbox_path}" in said["why"]
    status, why = one.get("/readyz")
    assert (status, json.loads(why)["why"]) == (503, said["why"])
    assert "nothing more is accepted" in said["next"]
    assert one.metric("vaulytica_outbox_damaged") == 1
    assert one.metric("vaulytica_outbox_errors_total") >= 1
    accepted = one.counts()["a"].accepted
    assert [post(one), post(one)] == [503, 503]
    assert one.metric("vaulytica_refused_events_total", reason="disk") == 2
    assert one.counts()["a"].accepted == accepted
    assert one.said("events cannot be kept") == one.said("events can be kept again") == []
    assert seconds_to_stop(one) < PATIENCE, "nothing more can be delivered"
    assert len(one.said("outbox damaged")) == 1, "it is said from time to time, not each time"
    noted = noted_damage(one.outbox_path)
    assert noted is not None
    assert noted.why == said["why"]
    for place in (a, b):
        assert place.taken.keys() == there
        assert set(place.taken.values()) == {1}
    counts = one.counts()
    for name in "ab":
        assert 0 < counts[name].delivered <= len(there)
        assert counts[name].balance == 0


def test_what_can_wait_to_be_read_waits_for_a_relay_on_what_was_saved(relay, sink, tmp_path):
    place, log = sink(), tmp_path / "app.ndjson"
    log.touch()
    intake = {"listen": "127.0.0.1:0", "tail": [{"path": str(log)}]}
    one = relay({"a": {"url": place.url, **LINES}}, start=False, drain=0.5, intake=intake)
    one.put([f"e-{n}" for n in range(200)], ["a"], each=20, pad="x" * 300)
    overwrite(one.outbox_path, Whole(one.outbox_path).of_bodies()[1:3])
    one.start()
    one.wait_for("outbox damaged")
    log.write_text('{"type": "t", "data": {"id": "line"}}\n')
    wait_until(lambda: any("reading waits" in line["event"] for line in one.lines), "it waits", 60)
    assert one.stop() == 0
    assert "line" not in place.taken
    saved = one.folder / "saved.db"
    recover(one.outbox_path, saved)
    one.outbox_path = saved
    one.write({**one.config, "outbox": f"sqlite://{saved}"})
    one.start()
    wait_until(lambda: "line" in place.taken, "the line")
    assert post(one) == 202


def test_what_cannot_be_settled_is_sent_once_and_does_not_keep_it_from_ending(relay, sink):
    """No verdict can be written: no more is sent than a few, as all would come again."""
    a = sink()
    one = relay({"a": {"url": a.url, **LINES}}, start=False, drain=600)
    one.put([f"e-{n}" for n in range(4000)], ["a"], each=20)
    overwrite(one.outbox_path, [root_of(one.outbox_path, "outbox_delivery_batch")])
    one.start()
    one.wait_for("outbox damaged")
    wait_until(lambda: len(a.taken) >= 2000, "a hundred deliveries")
    assert one.metric("vaulytica_delivered_events_total", "a") == 0
    assert seconds_to_stop(one) < PATIENCE, "nothing more is to be sent"
    assert len(a.taken) < 4000
    assert set(a.taken.values()) == {1}


def test_a_disk_that_fails_does_not_keep_it_from_ending(relay, sink):
    a = sink()
    answered, asked = threading.Event(), threading.Event()

    def wait(*_):
        asked.set()
        answered.wait(60)

    a.behave = wait
    one = relay({"a": {"url": a.url, **LINES}}, drain=0.5)
    one.put(["e"], ["a"])
    assert asked.wait(60)
    assert one.process is not None
    limits = resource.prlimit(one.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(one.process.pid, resource.RLIMIT_FSIZE, (4096, limits[1]))
    answered.set()
    one.wait_for("outbox cannot be written")

    def is_said() -> bool:
        assert post(one) == 503
        status, why = one.get("/readyz")
        return status == 503 and f"outbox {one.outbox_path}: the disk " in why

    wait_until(is_said, "why it is not ready")
    assert one.get("/metrics")[0] == 200
    assert seconds_to_stop(one) < 0.5 + _GRACE
    assert one.counts()["a"].pending == 1
    assert one.said("outbox cannot be written")
