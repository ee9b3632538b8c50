"""How it ends: it drains for so many seconds, and leaves the rest where it is safe."""

from __future__ import annotations

import signal
import socket
import time

from support.relay import wait_until

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
