"""No lane waits for another; each heeds what its own destination says."""

from __future__ import annotations

import signal
import threading
import time

from support.relay import wait_until
from vaulytica.receiving.receiver import Answer

BATCH = {"format": "json", "batch": {"as": "ndjson", "max_events": 50}}


def ids(count, prefix="e"):
    return [f"{prefix}-{n}" for n in range(count)]


def test_destinations_that_are_down_cost_the_others_nothing(relay, sink):
    a, hangs, broken = sink(), sink(), sink()
    over = threading.Event()
    hangs.behave = lambda *_: over.wait(60) and None
    broken.behave = lambda *_: Answer(500)
    one = relay(
        {
            "a": {"url": a.url, **BATCH},
            "refused": {"url": "http://127.0.0.1:9", **BATCH},
            "hangs": {"url": hangs.url, **BATCH, "timeout": 60},
            "broken": {"url": broken.url, **BATCH},
        },
        drain=0.2,
    )
    one.put(ids(2000), ["a", "refused", "hangs", "broken"])
    one.wait_delivered("a", seconds=20)
    down = {line["destination"] for line in one.said("destination down")}
    assert "refused" in down
    assert one.metric("vaulytica_breaker_state", "refused") > 0
    assert one.metric("vaulytica_breaker_state", "a") == 0
    counts = one.counts()
    assert counts["refused"].pending == counts["hangs"].pending == counts["broken"].pending == 2000
    one.signal(signal.SIGTERM)
    one.kill()
    over.set()
    one.check_the_law()


def test_a_destination_that_comes_back_gets_what_it_missed(relay, sink):
    a = sink()
    is_down = True
    a.behave = lambda *_: Answer(500) if is_down else None
    one = relay({"a": {"url": a.url, **BATCH}})
    one.put(ids(500), ["a"])
    one.wait_for("destination down", destination="a")
    assert one.counts()["a"].dead == 0
    is_down = False
    one.wait_delivered()
    assert a.taken == dict.fromkeys(ids(500), 1)
    one.wait_for("destination up", destination="a")
    assert len(one.said("destination down")) == 1


def test_410_pauses_the_destination_and_says_so(relay, sink):
    a = sink()
    is_gone = True
    a.behave = lambda *_: Answer(410, b"moved away") if is_gone else None
    one = relay({"a": {"url": a.url, **BATCH, "concurrency": 1}})
    one.put(ids(500), ["a"])
    line = one.wait_for("destination gone", destination="a")
    assert line["why"] == "HTTP 410: moved away"
    requests = a.requests
    one.put(ids(10, "more"), ["a"])
    time.sleep(0.5)
    assert a.requests == requests
    counts = one.counts()["a"]
    assert (counts.pending, counts.dead) == (510, 0)
    assert one.metric("vaulytica_suspended", "a") == 2
    wait_until(one.outbox().paused, "it is written down")
    is_gone = False
    one.signal(signal.SIGHUP)
    one.wait_delivered()
    one.wait_for("destination takes events again", destination="a")
    assert len(a.taken) == 510


def test_refused_credentials_bury_nothing(relay, sink):
    a = sink()
    is_wrong = True
    a.behave = lambda *_: Answer(401, b"who?") if is_wrong else None
    one = relay({"a": {"url": a.url, **BATCH}})
    one.put(ids(500), ["a"])
    assert one.wait_for("destination refuses", destination="a")["why"] == "HTTP 401: who?"
    assert one.counts()["a"].pending == 500
    is_wrong = False
    one.signal(signal.SIGHUP)  # else it would look again in a few seconds
    one.wait_delivered()
    assert a.taken == dict.fromkeys(ids(500), 1)


def test_a_wrong_url_buries_nothing(relay, sink):
    a = sink()
    is_wrong = True
    a.behave = lambda *_: Answer(404) if is_wrong else None
    one = relay({"a": {"url": a.url, **BATCH, "concurrency": 1}})
    one.put(ids(1000), ["a"])
    one.wait_for("destination refuses", destination="a")
    assert one.counts()["a"].dead == 0
    is_wrong = False
    one.signal(signal.SIGHUP)
    one.wait_delivered()
    assert a.taken == dict.fromkeys(ids(1000), 1)


def test_a_404_for_one_event_is_that_events(relay, sink):
    a = sink()
    a.behave = lambda _, got: Answer(404) if "e-3" in got else None
    one = relay({"a": {"url": a.url}})
    one.put(ids(20), ["a"])
    counts = one.wait_delivered()["a"]
    assert (counts.delivered, counts.dead) == (19, 1)


def test_order_is_kept_for_each_key_under_faults(relay, sink):
    a = sink()
    a.behave = lambda *_: Answer(503) if a.requests % 3 == 1 else None
    one = relay({"a": {"url": a.url, **BATCH, "order_by": "data.user"}}, start=False)
    for n in range(30):
        for user in ("x", "y", "z"):
            one.put([f"{user}-{n}"], ["a"], key=user)
    one.start()
    one.put(ids(50, "free"), ["a"])
    one.wait_delivered()
    for user in ("x", "y", "z"):
        assert [id for id in a.order if id.startswith(user)] == [f"{user}-{n}" for n in range(30)]
    assert len(a.taken) == 140


def test_what_was_put_one_by_one_and_keeps_its_order_shares_requests(relay, sink):
    a = sink()
    a.behave = lambda *_: Answer(503) if a.requests % 3 == 1 else None
    one = relay({"a": {"url": a.url, **BATCH, "ordered": True}}, start=False)
    one.put(ids(300), ["a"], each=1, key="")
    one.start()
    one.wait_delivered()
    assert a.order == ids(300)
    assert a.requests < 100
    one.check_the_law()


def test_what_is_fresh_goes_out_while_old_ones_are_tried_again(relay, sink):
    a = sink()
    a.behave = lambda _, got: Answer(500) if any(i.startswith("poison") for i in got) else None
    retry = {"max_retries": 1000, "initial_delay": 0.05, "max_delay": 0.05}
    one = relay({"a": {"url": a.url, "retry_config": retry, "concurrency": 2}}, drain=0.1)
    mixed = [f"poison-{n}" if n % 10 == 0 else f"e-{n}" for n in range(200)]
    one.put(mixed, ["a"], each=1)
    wait_until(lambda: len(a.taken) == 180, "those that can be delivered")
    one.put(ids(50, "fresh"), ["a"])
    wait_until(lambda: len(a.taken) == 230, "the fresh ones")
    one.kill()


def test_a_thousand_destinations_at_rest(relay, sink):
    a = sink()
    many = {f"d{n}": {"url": a.url} for n in range(1000)}
    began = time.monotonic()
    one = relay(many)
    assert time.monotonic() - began < 20  # measured alone, by the benchmark: under 5
    one.put(ids(2), ["d0", "d999"])
    one.wait_delivered()
    assert a.taken == {"e-0": 2, "e-1": 2}
    assert one.stop() == 0
