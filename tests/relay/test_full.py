"""What "full" means, and what happens then: never in silence."""

from __future__ import annotations

import threading

from support.relay import DOWN, post, post_lines, wait_until


def test_refuse_is_429_and_said(relay):
    one = relay({"a": DOWN}, full={"events": 50})
    assert post(one, [f"e-{n}" for n in range(50)])[0] == 202
    status, body, again = post(one, ["more"])
    assert status == 429
    assert body["error"] == "the outbox is full: 50 events are pending"
    assert again == "10"
    assert one.wait_for("outbox full")["why"] == "50 events are pending"
    wait_until(lambda: one.get("/readyz")[0] == 503, "it is not ready")
    assert one.metric("vaulytica_refused_events_total", reason="full") == 1
    assert one.counts()["a"].accepted == 50
    assert len(one.said("outbox full")) == 1


def test_drop_throws_away_the_oldest_of_the_least_severity(relay, sink):
    a = sink()
    a.behave = lambda *_: wait_forever()
    one = relay({"a": {**DOWN, "concurrency": 1}}, full={"events": 100, "then": "drop"})
    # In small parts: what the lane has in its hands is not dropped.
    for severity, name in (("debug", "low"), ("critical", "high")):
        for at in range(0, 50, 10):
            assert post(one, [f"{name}-{at + n}" for n in range(10)], severity)[0] == 202
    assert post(one, [f"new-{n}" for n in range(20)], "critical")[0] == 202
    line = one.wait_for("events dropped")
    assert line["events"] >= 20
    counts = one.counts()["a"]
    assert counts.dropped == line["events"]
    assert counts.accepted == 120
    assert counts.balance == 0
    one.stop()
    config = {**one.config, "outbox": f"sqlite://{one.outbox_path}"}
    one.write({**config, "destinations": {"a": {"url": a.url}}})
    a.behave = lambda *_: None
    one.start().wait_delivered()
    assert {id for id in a.taken if id.startswith(("high", "new"))} == {
        *[f"high-{n}" for n in range(50)],
        *[f"new-{n}" for n in range(20)],
    }
    assert one.metric("vaulytica_dropped_events_total", "a") == counts.dropped


def hanging(sink):
    """A destination that answers nothing until it is let go."""
    a, go = sink(), threading.Event()
    a.behave = lambda *_: go.wait(60) and None
    return a, go


def test_drop_makes_room_though_all_is_claimed_and_no_more_than_it_must(relay, sink):
    a, go = hanging(sink)
    one = relay({"a": {"url": a.url, "timeout": 60}}, full={"events": 200, "then": "drop"})
    old, new = [f"old-{n}" for n in range(200)], [f"new-{n}" for n in range(5)]
    assert post(one, old)[0] == 202
    wait_until(lambda: a.requests, "it is under way")
    assert post(one, new)[0] == 202
    assert one.counts()["a"].dropped == 5
    go.set()
    counts = one.wait_delivered()["a"]
    assert (counts.accepted, counts.delivered, counts.dropped) == (205, 200, 5)
    # What was under way is not what has been dropped.
    assert a.taken == dict.fromkeys([*old[:-5], *new], 1)
    assert one.said("claims ran out") == []


def test_drop_spares_of_what_comes_only_what_is_on_its_way(relay, sink):
    a, go = hanging(sink)
    settings = {"url": a.url, "timeout": 60, "batch": {"max_events": 1}, "concurrency": 4}
    one = relay({"a": settings}, full={"events": 200, "then": "drop"})
    severities = ("debug", "info", "warning", "error", "critical")
    events = [(f"{severity}-{n}", severity) for severity in severities for n in range(100)]
    assert post_lines(one, events)[0] == 202
    wait_until(lambda: one.counts()["a"].pending == 200, "it is not more than there is room for")
    go.set()
    one.wait_delivered()
    taken = {severity: sum(id.startswith(severity) for id in a.taken) for severity in severities}
    under_way = 200 - taken["critical"] - taken["error"]
    assert taken["critical"] == 100
    assert under_way <= 3 * 4, "what is less severe, but had begun; one of each delivery stays"


def test_drop_weighs_what_comes_in_with_all_the_rest(relay, sink):
    a, go = hanging(sink)
    one = relay({"a": {"url": a.url, "timeout": 60}}, full={"events": 100, "then": "drop"})
    kept = [f"kept-{n}" for n in range(100)]
    assert post(one, kept, "critical")[0] == 202
    assert post(one, ["light"], "info")[0] == 202
    assert one.get("/readyz")[0] == 200, "it takes what comes"
    assert post(one, ["light", "too"], "error")[0] == 202
    go.set()
    counts = one.wait_delivered()["a"]
    assert (counts.accepted, counts.dropped) == (103, 3)
    assert a.taken == dict.fromkeys(kept, 1)


def test_drop_says_so_once_for_many_and_the_rest_at_the_end(relay):
    one = relay(
        {"a": {**DOWN, "order_by": "data.id"}}, full={"events": 50, "then": "drop"}, drain=0
    )
    for n in range(30):
        assert post(one, [f"{n}-{m}" for m in range(10)])[0] == 202
    assert len(one.said("events dropped")) < 5, "one a minute"
    counts = one.counts()["a"]
    assert (counts.pending, counts.dropped) == (50, 250)
    one.stop()
    said = one.said("events dropped")
    assert sum(line["events"] for line in said) == 250
    assert said[-1]["destinations"] == {"a": said[-1]["events"]}
    one.check_the_law()


def test_what_is_kept_once_drops_nothing_when_it_is_sent_again(relay):
    one = relay({"a": DOWN}, full={"events": 10, "then": "drop"})
    for _ in range(3):
        key = {"Idempotency-Key": "k"}
        assert post(one, [f"e-{n}" for n in range(10)], **key)[0] in (200, 202)
    counts = one.counts()["a"]
    assert (counts.accepted, counts.dropped) == (10, 0)


def wait_forever():
    raise AssertionError("nothing is sent there")


def test_by_size(relay):
    one = relay({"a": DOWN}, full={"size": "1M"})
    statuses = []
    for batch in range(60):
        padding = "x" * 1000
        statuses.append(post(one, [f"{batch}-{n}-{padding}"[:200] for n in range(100)])[0])
        if statuses[-1] == 429:
            break
    assert statuses[-1] == 429
    assert set(statuses[:-1]) == {202}
    assert "holds 1048576 bytes" in one.wait_for("outbox full")["why"]


def test_what_nobody_wants_is_accepted_counted_and_not_kept(relay, sink):
    a = sink()
    one = relay({"a": {"url": a.url, "match": {"min_severity": "error"}}})
    status, body, _ = post(one, ["e-1", "e-2"])
    assert (status, body["accepted"], body["ids"]) == (202, 2, ["e-1", "e-2"])
    assert one.metric("vaulytica_unwanted_events_total") == 2
    assert one.counts() == {}
    assert post(one, ["e-3"], "error")[0] == 202
    one.wait_delivered()
    assert a.taken == {"e-3": 1}
