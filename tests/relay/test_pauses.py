"""Destinations that are paused, by hand or by 410, and resumed, by `vaulytica outbox` beside a relay that runs."""

from __future__ import annotations

import signal

from support.relay import wait_until
from vaulytica.receiving.receiver import Answer

LINES = {"format": "json", "batch": {"as": "ndjson", "max_events": 10}}


def ids(count, prefix="e"):
    return [f"{prefix}-{n}" for n in range(count)]


def test_a_destination_is_paused_and_resumed_by_hand(relay, sink):
    a, b = sink(), sink()
    one = relay({"a": {"url": a.url, **LINES}, "b": {"url": b.url, **LINES}})
    one.put(ids(20), ["a", "b"])
    one.wait_delivered()
    with one.outbox() as outbox:
        outbox.pause("a", "maintenance")
        assert one.wait_for("destination paused", destination="a")["why"] == "maintenance"
        one.put(ids(20, "later"), ["a", "b"])
        one.wait_delivered("b")
        assert one.metric("vaulytica_suspended", "a") == 2
        assert sum(a.taken.values()) == 20
        since = len(one.said("reloaded"))
        one.signal(signal.SIGHUP)  # which resumes only what 410 has paused
        wait_until(lambda: len(one.said("reloaded")) > since, "it reloads")
        assert list(outbox.paused()) == ["a"]
        assert sum(a.taken.values()) == 20
        assert outbox.resume(["a"]) == ["a"]
    one.wait_delivered()
    one.wait_for("destination resumed", destination="a")
    assert a.taken == dict.fromkeys([*ids(20), *ids(20, "later")], 1)


def test_a_pause_outlives_the_relay(relay, sink):
    a = sink()
    one = relay({"a": {"url": a.url, **LINES}}, start=False)
    with one.outbox() as outbox:
        outbox.pause("a", "not yet")
    one.start()
    one.put(ids(20), ["a"])
    one.wait_for("destination paused", destination="a")
    one.signal(signal.SIGTERM)
    assert one.wait() == 0
    assert not a.taken
    with one.outbox() as outbox:
        outbox.resume(["a"])
    one.start()
    one.wait_delivered()
    assert a.taken == dict.fromkeys(ids(20), 1)


def test_one_that_is_gone_stays_paused_over_a_restart_until_somebody_resumes_it(relay, sink):
    a = sink()
    is_gone = True
    a.behave = lambda *_: Answer(410, b"moved away") if is_gone else None
    one = relay({"a": {"url": a.url, **LINES, "concurrency": 1}})
    one.put(ids(20), ["a"])
    one.wait_for("destination gone", destination="a")
    with one.outbox() as outbox:
        pause = wait_until(lambda: outbox.paused().get("a"), "it is written down")
        assert (pause.why, pause.by_hand) == ("HTTP 410: moved away", False)
        one.kill()
        requests = a.requests
        one.start()
        one.wait_for("destination paused", destination="a")
        assert a.requests == requests
        is_gone = False
        outbox.resume(["a"])
    one.wait_delivered()
    assert one.counts()["a"].dead == 0
