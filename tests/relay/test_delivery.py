"""Events go from the outbox to their destinations, by a real relay, to real receivers."""

from __future__ import annotations

import signal

from support.relay import wait_until
from vaulytica.receiving.receiver import Answer, Lost

BATCH = {"format": "json", "batch": {"as": "ndjson", "max_events": 50}}


def ids(count, prefix="e"):
    return [f"{prefix}-{n}" for n in range(count)]


def test_all_that_is_put_arrives_once(relay, sink):
    a, b = sink(), sink()
    one = relay({"a": {"url": a.url}, "b": {"url": b.url, **BATCH}})
    one.put(ids(300), ["a", "b"])
    counts = one.wait_delivered()
    assert a.taken == b.taken == dict.fromkeys(ids(300), 1)
    assert b.requests < 100
    assert {name: (c.accepted, c.delivered) for name, c in counts.items()} == {
        "a": (300, 300),
        "b": (300, 300),
    }
    assert one.metric("vaulytica_delivered_events_total", "a") == 300
    assert one.metric("vaulytica_pending_events", "b") == 0
    assert one.get("/healthz") == (200, '{"ok":true}\n')
    assert one.get("/readyz") == (200, '{"ok":true}\n')
    assert one.stop() == 0
    assert [line["event"] for line in one.lines] == ["ready", "stopping", "stopped"]
    assert one.errors == ""


def test_what_was_put_before_it_started_is_delivered(relay, sink):
    a = sink()
    one = relay({"a": {"url": a.url, **BATCH}}, start=False)
    one.put(ids(200), ["a"])
    one.start().wait_delivered()
    assert a.taken == dict.fromkeys(ids(200), 1)


def test_a_flapping_destination_gets_all_in_the_end(relay, sink):
    a = sink()
    a.behave = lambda *_: Answer(503) if a.requests % 3 else None
    one = relay({"a": {"url": a.url, **BATCH}})
    one.put(ids(500), ["a"])
    one.wait_delivered()
    assert a.taken == dict.fromkeys(ids(500), 1)
    assert one.metric("vaulytica_retried_events_total", "a") > 0


def test_an_event_comes_twice_only_if_its_answer_was_lost(relay, sink):
    a = sink()

    def lose(*_):
        if a.requests % 4 == 0:
            raise Lost

    a.behave = lose
    one = relay({"a": {"url": a.url, **BATCH}})
    one.put(ids(500), ["a"])
    one.wait_delivered()
    assert set(a.taken) == set(ids(500))
    assert {id for id, count in a.taken.items() if count > 1} <= a.untold


def test_what_is_never_taken_becomes_a_dead_letter(relay, sink):
    a = sink()
    a.behave = lambda _, got: Answer(400, b"no good") if "e-7" in got else None
    one = relay({"a": {"url": a.url, **BATCH}})
    one.put(ids(60), ["a"])
    counts = one.wait_delivered()
    assert (counts["a"].delivered, counts["a"].dead) == (59, 1)
    assert set(ids(60)) - set(a.taken) == {"e-7"}
    assert one.wait_for("dead letters", destination="a")["events"] == 1
    assert one.metric("vaulytica_rejected_events_total", "a") == 1
    assert one.metric("vaulytica_dead_events", "a") == 1
    one.check_the_law()


def test_killed_at_any_moment_nothing_is_lost(relay, sink):
    a = sink()
    one = relay({"a": {"url": a.url, **BATCH, "concurrency": 2}}, start=False)
    one.put(ids(2000), ["a"], each=20)
    for rounds in range(4):
        one.start()
        wait_until(lambda least=(rounds + 1) * 250: len(a.taken) >= least, "some of it")
        one.kill()
        one.check_the_law()
    one.start().wait_delivered()
    assert set(a.taken) == set(ids(2000))
    twice = sum(count - 1 for count in a.taken.values())
    assert twice <= 4 * 2 * 50  # what was under way, or answered and not written yet


def test_a_second_relay_on_the_same_file_stops(relay, sink):
    a = sink()
    one = relay({"a": {"url": a.url}})
    two = relay({"a": {"url": a.url}}, start=False)
    two.write({**two.config, "outbox": f"sqlite://{one.outbox_path}"})
    two.start(ready=False)
    assert two.wait() == 1
    assert two.errors == (
        f"vaulytica: error: outbox {one.outbox_path} is in use by another relay (process "
        f"{one.process.pid}); stop it first, or give this one an outbox of its own\n"
    )
    one.put(ids(10), ["a"])
    one.wait_delivered()


def test_ctrl_c_is_a_way_to_stop(relay, sink):
    one = relay({"a": {"url": sink().url}})
    one.signal(signal.SIGINT)
    assert one.wait() == 0
