"""How it ends: it drains for so many seconds, and leaves the rest where it is safe."""

from __future__ import annotations

import signal
import socket
import time

from support.relay import wait_until
from vaulytica.receiving.receiver import Answer

BATCH = {"format": "json", "batch": {"as": "ndjson", "max_events": 20}, "concurrency": 2}


def ids(count, prefix="e"):
    return [f"{prefix}-{n}" for n in range(count)]


def slow(seconds):
    return lambda *_: time.sleep(seconds)


def test_sigterm_drains_what_can_be_delivered(relay, sink):
    a, down = sink(), "http://127.0.0.1:9"
    a.behave = slow(0.02)
    one = relay({"a": {"url": a.url, **BATCH}, "down": {"url": down, **BATCH}}, drain=20)
    one.put(ids(600), ["a", "down"])
    wait_until(lambda: a.taken, "the first")
    began = time.monotonic()
    assert one.stop() == 0
    assert time.monotonic() - began < 15
    counts = one.counts()
    assert (counts["a"].delivered, counts["down"].pending) == (600, 600)
    assert a.taken == dict.fromkeys(ids(600), 1)
    assert one.said("stopped")[-1]["pending"] == 600


def test_when_the_time_is_over_the_rest_stays(relay, sink):
    a = sink()
    a.behave = slow(0.2)
    one = relay({"a": {"url": a.url, **BATCH}}, drain=0.5)
    one.put(ids(2000), ["a"])
    wait_until(lambda: a.taken, "the first")
    assert one.stop() == 0
    counts = one.counts()["a"]
    assert 0 < counts.pending < 2000
    assert counts.delivered == len(a.taken), "each answer is written down"
    assert set(a.taken.values()) == {1}
    one.check_the_law()


def test_the_second_sigterm_ends_it_at_once(relay, sink):
    a = sink()
    a.behave = slow(0.3)
    one = relay({"a": {"url": a.url, **BATCH}}, drain=600)
    one.put(ids(2000), ["a"])
    wait_until(lambda: a.taken, "the first")
    one.signal(signal.SIGTERM)
    one.wait_for("stopping")
    began = time.monotonic()
    assert one.stop() == 0
    assert time.monotonic() - began < 10
    assert one.counts()["a"].pending


def test_a_rate_limit_is_waited_for_and_the_end_is_not(relay, sink):
    a = sink()
    limited = {
        "rate_limit": {"events_per_second": 20},
        "batch": {"as": "ndjson", "max_events": 1},
        "concurrency": 2,
    }
    one = relay({"a": {"url": a.url, "format": "json", **limited}}, drain=600)
    one.put(ids(60), ["a"])
    wait_until(lambda: a.taken, "the first")
    assert one.stop() == 0
    assert a.taken == dict.fromkeys(ids(60), 1)
    assert one.said("stopped")[-1]["pending"] == 0


def test_one_that_asks_to_wait_is_waited_for(relay, sink):
    a = sink()
    a.behave = lambda *_: Answer(429, headers=(("Retry-After", "1"),)) if is_busy else None
    is_busy = True
    one = relay({"a": {"url": a.url, **BATCH}}, drain=600)
    one.put(ids(200), ["a"])
    wait_until(lambda: a.requests, "the first")
    one.signal(signal.SIGTERM)
    one.wait_for("stopping")
    before = a.requests
    wait_until(lambda: a.requests > before, "it asks again")
    is_busy = False
    assert one.wait() == 0
    assert a.taken == dict.fromkeys(ids(200), 1)


def test_what_is_tried_again_in_time_is_waited_for_and_the_rest_is_not(relay, sink):
    soon, late = sink(), sink()
    fail = {"soon": True}
    soon.behave = lambda *_: Answer(500) if fail["soon"] else None
    late.behave = lambda *_: Answer(500)
    waits = {"max_retries": 50, "jitter": False, "max_delay": 86400}
    one = relay(
        {
            "soon": {"url": soon.url, "retry_config": {**waits, "initial_delay": 2}},
            "late": {"url": late.url, "retry_config": {**waits, "initial_delay": 86400}},
        },
        drain=3600,
    )
    one.put(["e"], ["soon", "late"])
    wait_until(lambda: soon.requests and late.requests, "both have failed")
    fail["soon"] = False
    assert one.stop() == 0
    assert (soon.taken, late.requests) == ({"e": 1}, 1)
    assert one.counts()["late"].pending == 1


def test_one_that_is_down_gets_one_more_try(relay, sink):
    back, down = sink(), sink()
    back.behave = down.behave = lambda *_: Answer(500)
    retry = {"max_retries": 1000, "initial_delay": 0.01, "max_delay": 0.01}
    settings = {**BATCH, "retry_config": retry}
    one = relay({"back": {"url": back.url, **settings}, "down": {"url": down.url, **settings}}, drain=3600)  # fmt: skip
    one.put(ids(600), ["back", "down"])
    one.wait_for("destination down", destination="back")
    one.wait_for("destination down", destination="down")
    back.behave = lambda *_: None
    assert one.stop() == 0
    assert back.taken == dict.fromkeys(ids(600), 1)
    assert one.counts()["down"].pending == 600


def test_one_that_is_gone_is_left(relay, sink):
    a = sink()
    a.behave = lambda *_: Answer(410)
    one = relay({"a": {"url": a.url, **BATCH}}, drain=3600)
    one.put(ids(100), ["a"])
    one.wait_for("destination gone", destination="a")
    assert one.stop() == 0
    assert one.counts()["a"].pending == 100


def test_what_another_process_has_left_is_seen_before_it_ends(relay, sink):
    a = sink()
    a.behave = lambda *_: Answer(500) if is_down else None
    waits = {"max_retries": 50, "jitter": False, "max_delay": 1, "initial_delay": 1}
    is_down = True
    one = relay({"a": {"url": a.url, "retry_config": waits}}, drain=0)
    for n in range(3):  # so they are due one after the other
        one.put([f"e-{n}"], ["a"])
        wait_until(lambda: a.requests > n, "it has failed")  # noqa: B023 - called at once
    one.kill()
    is_down = False
    one.write({**one.config, "outbox": f"sqlite://{one.outbox_path}", "drain": 3600})
    one.start()
    assert one.stop() == 0
    assert set(a.taken) == {"e-0", "e-1", "e-2"}


def test_the_second_sigterm_ends_what_waits_for_its_rate(relay, sink):
    a = sink()
    limited = {"rate_limit": {"events_per_second": 0.1}, "batch": {"as": "ndjson", "max_events": 1}}
    one = relay({"a": {"url": a.url, "format": "json", **limited}}, drain=3600)
    one.put(ids(100), ["a"])
    wait_until(lambda: a.taken, "the first")
    one.signal(signal.SIGTERM)
    one.wait_for("stopping")
    assert one.stop() == 0
    counts = one.counts()["a"]
    assert (counts.delivered, counts.pending) == (len(a.taken), 100 - len(a.taken))


def test_one_that_cannot_begin_says_why_and_neither_drains_nor_stops(relay, sink):
    a = sink()
    limited = {"rate_limit": {"events_per_second": 0.5}, "batch": {"as": "ndjson", "max_events": 1}}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        one = relay(
            {"a": {"url": a.url, "format": "json", **limited}},
            start=False,
            drain=3600,
            intake={"listen": listen},
        )
        one.put(ids(100), ["a"])
        one.start(ready=False)
        assert one.wait() == 2
    assert f"cannot listen on {listen}" in one.errors
    assert one.lines == []
    one.check_the_law()


def test_it_tells_systemd(relay, sink, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        one = relay({"a": {"url": sink().url}}, start=False)
        one.environment |= {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
        one.start()
        told = [manager.recv(1000).decode() for _ in range(4)]
        assert "READY=1" in told
        assert told.count("WATCHDOG=1") >= 2
        one.signal(signal.SIGHUP)
        one.wait_for("reloaded")
        one.stop()
        manager.setblocking(False)
        try:
            while True:
                told.append(manager.recv(1000).decode())
        except BlockingIOError:
            pass
    assert any(text.startswith("RELOADING=1\nMONOTONIC_USEC=") for text in told)
    assert told.count("READY=1") == 2
    assert told[-1] in ("STOPPING=1", "WATCHDOG=1")
    assert "STOPPING=1" in told
