"""The config changes while the relay runs: nothing is lost, what did not change lives on, a wrong one is refused."""

from __future__ import annotations

import signal
import time
import urllib.request

from support.relay import wait_until
from vaulytica.cli.config_files.relay import checked_relay

BATCH = {"format": "json", "batch": {"as": "ndjson", "max_events": 20}, "concurrency": 2}


def ids(count, prefix="e"):
    return [f"{prefix}-{n}" for n in range(count)]


def changed(one, **destinations):
    config = {**one.config, "destinations": {**one.config["destinations"], **destinations}}
    config["destinations"] = {n: d for n, d in config["destinations"].items() if d is not None}
    one.write({"outbox": f"sqlite://{one.outbox_path}", **config})


def test_sighup_exchanges_what_has_changed_and_loses_nothing(relay, sink):
    a, b, c = sink(), sink(), sink()
    a.behave = b.behave = lambda *_: time.sleep(0.01)
    one = relay({"a": {"url": a.url, **BATCH}, "b": {"url": b.url, **BATCH}})
    one.put(ids(1000), ["a", "b", "c"])
    wait_until(lambda: len(a.taken) > 100, "a few")
    changed(one, b={"url": f"{b.url}/new", **BATCH}, c={"url": c.url, **BATCH})
    one.signal(signal.SIGHUP)
    line = one.wait_for("reloaded")
    assert (line.get("added"), line.get("changed"), line.get("removed")) == (["c"], ["b"], None)
    one.wait_delivered()
    for sink_ in (a, b, c):
        assert sink_.taken == dict.fromkeys(ids(1000), 1)


def test_a_change_of_the_file_is_noticed(relay, sink):
    a, b = sink(), sink()
    one = relay({"a": {"url": a.url, **BATCH}})
    changed(one, b={"url": b.url, **BATCH})
    assert one.wait_for("reloaded")["added"] == ["b"]
    one.put(ids(10), ["b"])
    one.wait_delivered()


def test_what_a_removed_destination_has_pending_stays(relay, sink):
    a, b = sink(), sink()
    one = relay({"a": {"url": a.url, **BATCH}, "b": {"url": "http://127.0.0.1:9", **BATCH}})
    one.put(ids(50), ["a", "b"])
    one.wait_delivered("a")
    changed(one, b=None)
    one.signal(signal.SIGHUP)
    assert one.wait_for("reloaded")["removed"] == ["b"]
    assert one.counts()["b"].pending == 50
    one.stop()
    one.start()
    assert one.said("ready")[-1]["no_longer_configured"] == ["b"]
    changed(one, b={"url": b.url, **BATCH})
    one.wait_delivered()
    assert b.taken == dict.fromkeys(ids(50), 1)


def test_a_wrong_config_is_refused_and_the_relay_goes_on(relay, sink):
    a = sink()
    one = relay({"a": {"url": a.url, **BATCH}})
    changed(one, b={"url": "http://127.0.0.1:9", "formt": "json"})
    one.signal(signal.SIGHUP)
    line = one.wait_for("config refused")
    assert "destination b has no setting formt; did you mean format?" in line["why"]
    assert f"{one.path}:" in line["why"]
    one.put(ids(10), ["a"])
    one.wait_delivered()
    before = len(one.lines)
    one.write(
        {
            **one.config,
            "outbox": f"sqlite://{one.folder}/other.db",
            "destinations": {"a": {"url": a.url}},
        }
    )
    assert "cannot change it while it runs" in one.wait_for("config refused", before)["why"]


def test_it_listens_elsewhere_after_a_reload(relay, sink):
    one = relay({"a": {"url": sink().url}}, metrics={"listen": "127.0.0.1:0"})
    intake, metrics = one.said("ready")[-1]["listening"]
    assert one.get("/metrics")[0] == 404
    assert metrics != intake
    new = {**one.config, "outbox": f"sqlite://{one.outbox_path}"}
    del new["metrics"]
    one.write(new)
    one.wait_for("reloaded")
    assert one.get("/metrics")[0] == 200


def test_a_reload_says_all_that_is_wrong_in_the_words_of_the_check(relay, sink):
    a = sink()
    one = relay({"a": {"url": a.url, **BATCH}})
    wrong = {
        "outbox": f"sqlite://{one.folder}/other.db",
        "intake": {"listen": "192.0.2.1:0", "tokens": ["env:NOT_SET_AT_ALL"]},
        "destinations": {"a": {"url": a.url, "formt": "json", "auth": {"auth_type": "apikey"}}},
    }
    one.write(wrong)
    one.signal(signal.SIGHUP)
    one.wait_for("config refused")
    wait_until(lambda: len(one.said("config refused")) >= 5, "all of them")
    _, lines = checked_relay(one.path)
    said = list(dict.fromkeys(line["why"] for line in one.said("config refused")))
    # That an outbox cannot be changed while a relay runs is no fault of the file.
    assert [line for line in said if ": outbox: " not in line] == lines
    assert next(line for line in said if ": outbox: " in line).endswith(
        "outbox: a relay cannot change it while it runs; restart it"
    )
    one.put(ids(10), ["a"])
    one.wait_delivered()
    assert not one.said("reloaded")


def test_a_reload_tells_where_it_listens_now(relay, sink):
    a = sink()
    one = relay({"a": {"url": a.url, **BATCH}})
    changed(one, b={"url": a.url, **BATCH})
    one.signal(signal.SIGHUP)
    assert "listening" not in one.wait_for("reloaded"), "it listens where it did"
    since = len(one.lines)
    one.write({**one.config, "metrics": {"listen": "127.0.0.1:0"}})
    one.signal(signal.SIGHUP)
    intake, pages = one.wait_for("reloaded", since)["listening"]
    assert intake == one.url
    with urllib.request.urlopen(f"{pages}/healthz", timeout=20) as answer:
        assert answer.status == 200
