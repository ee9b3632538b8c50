"""`vaulytica send` in batches: its options, what it tells, and what it does with a partial failure."""

from __future__ import annotations

import gzip
import json
import os
import pty
import signal
import time

import pytest

from vaulytica.receiving.destinations import DESTINATIONS
from vaulytica.receiving.receiver import Answer, Receiver

from .conftest import FAST


@pytest.fixture
def many(tmp_path):
    path = tmp_path / "many.ndjson"
    lines = [
        json.dumps({"type": "login_failed", "data": {"n": n}, "id": f"e{n}"}) for n in range(500)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def numbers(received):
    return [json.loads(line)["data"]["n"] for line in received.body.splitlines()]


def test_batches_of_the_size_that_is_asked_for(vaulytica, receiver, many):
    done = vaulytica(
        "send", many, "--url", receiver.url, "--batch-as", "ndjson", "--batch-events", 120
    )
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("delivered 500 of 500 events")
    assert sorted(len(numbers(one)) for one in receiver.received) == [20, 120, 120, 120, 120]
    assert sorted(n for one in receiver.received for n in numbers(one)) == list(range(500))


def test_in_order_and_compressed(vaulytica, receiver, many):
    done = vaulytica(
        *("send", many, "--url", receiver.url, "--batch-as", "ndjson", "--batch-bytes", 5000),
        *("--ordered", "--compression", "gzip"),
    )
    assert done.code == 0
    bodies = [gzip.decompress(one.body) for one in receiver.received]
    assert max(map(len, bodies)) <= 5000
    lines = [json.loads(line) for body in bodies for line in body.splitlines()]
    assert [line["data"]["n"] for line in lines] == list(range(500))


def test_the_rate_is_kept(vaulytica, receiver, many):
    started = time.monotonic()
    done = vaulytica(
        *("send", many, "--url", receiver.url, "--batch-as", "array", "--batch-events", 50),
        *("--events-per-second", 400),
    )
    assert done.code == 0
    assert time.monotonic() - started >= 0.2, "500 events, of which 400 at once"


def test_the_one_event_that_splunk_refuses_is_named_by_its_line(vaulytica, tmp_path, many):
    splunk = DESTINATIONS.load("splunk_hec")(
        reject=lambda event: "bad" if event["event"].get("n") == 333 else None
    )
    with Receiver(respond=splunk.answer) as receiver:
        done = vaulytica(
            *("send", many, "--url", f"{receiver.url}/services/collector/event"),
            *("--format", "splunk_hec", "--format-option", "index=main", "--allow-insecure"),
            *("--api-key", "env:SECRET", "--api-key-header", "Authorization"),
            *("--report", "report.ndjson", *FAST),
        )
    assert done.code == 1
    assert done.out.startswith("delivered 499 of 500 events (1 rejected, 0 deferred, 0 unknown)")
    assert done.err.startswith("vaulytica: line 334: rejected: HTTP 400")
    rows = [json.loads(line) for line in (tmp_path / "report.ndjson").read_text().splitlines()]
    assert sorted(row["line"] for row in rows) == list(range(1, 501))
    assert [row["id"] for row in rows if row["outcome"] != "delivered"] == ["e333"]
    assert len(splunk.events) == 499
    assert not splunk.duplicates


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--format-option", "index"), "--format-option is written NAME=VALUE"),
        (("--format-option", "a=1", "--format-option", "a=2"), "is given twice"),
        (("--format-option", "nope=1"), "no setting of that name; known are"),
        (("--batch-events", "0"), "batch: max_events"),
        (("--compression", "brotli"), "compression"),
        (("--events-per-second", "-1"), "rate_limit: events_per_second"),
    ],
)
def test_wrong_options_are_named(vaulytica, many, options, words):
    done = vaulytica(
        *("send", many, "--url", "https://splunk.example/services/collector/event"),
        *("--format", "splunk_hec", *options),
    )
    assert done.code == 2
    assert words in done.error


def test_a_terminal_shows_the_progress(tmp_path, start, receiver):
    path = tmp_path / "slow"
    os.mkfifo(path)
    receiver.respond = lambda _: Answer(200)
    ours, theirs = pty.openpty()
    process = start("send", path, "--url", receiver.url, stderr=theirs)
    os.close(theirs)
    seen = b""
    with path.open("w") as source:
        for n in range(40):
            source.write(json.dumps({"type": "t", "data": {"n": n}}) + "\n")
            source.flush()
            time.sleep(0.02)
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    os.close(ours)
    assert process.wait(timeout=60) == 0
    text = seen.decode()
    for word in ("delivered", "events/s", "in flight", "retries"):
        assert word in text


def test_an_interrupted_send_accounts_for_every_event_it_read(start, tmp_path, many):
    with Receiver(delay=30.0, keep=0) as receiver:
        process = start(
            *("send", many, "--url", receiver.url, "--batch-as", "array", "--batch-events", 50),
            *("--concurrency", 2, "--json", "--report", tmp_path / "report"),
        )
        deadline = time.monotonic() + 60
        while len(receiver._server._connections) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    summary = json.loads(out)
    assert process.returncode == 1
    assert summary["interrupted"] is True
    assert (summary["delivered"], summary["unknown"]) == (0, 100)
    rows = [json.loads(line) for line in (tmp_path / "report").read_text().splitlines()]
    assert len(rows) == summary["events"] == summary["unknown"] + summary["deferred"]
    assert len({row["line"] for row in rows}) == len(rows)
    assert b"interrupted: 0 sent" in err
