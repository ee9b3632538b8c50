"""Files that are written: never over what is read, and a full disk is said."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from vaulytica.receiving.receiver import Receiver

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


@pytest.mark.parametrize("alias", ["itself", "symlink", "hard link"])
def test_a_report_over_the_input_is_refused(vaulytica, receiver, events, tmp_path, alias):
    before = events.read_bytes()
    report = events if alias == "itself" else tmp_path / "alias"
    if alias == "symlink":
        report.symlink_to(events)
    elif alias == "hard link":
        report.hardlink_to(events)
    done = vaulytica("send", events, "--url", receiver.url, "--report", report)
    assert done.code == 2
    assert f"{report} is also read" in done.error
    assert events.read_bytes() == before
    assert not receiver.received


@pytest.mark.parametrize("files", [[], ["-"], ["other.ndjson", "-"], ["other.ndjson"]])
def test_a_report_over_stdin_is_refused(start, receiver, events, tmp_path, files):
    (tmp_path / "other.ndjson").write_text('{"type":"a"}\n')
    before = events.read_bytes()
    with events.open("rb") as stdin:
        process = start("send", *files, "--url", receiver.url, "--report", events.name, stdin=stdin)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert len(err.splitlines()) == 1
    assert events.read_bytes() == before


@pytest.mark.parametrize("option", ["--config", "--template", "--api-key"])
def test_a_report_over_what_the_options_read_is_refused(
    vaulytica, receiver, events, tmp_path, option
):
    read = tmp_path / "read"
    text = f'destinations: {{a: {{url: "{receiver.url}"}}}}' if option == "--config" else "{}"
    read.write_text(text)
    value = "file:read" if option == "--api-key" else "read"
    url = [] if option == "--config" else ["--url", receiver.url]
    done = vaulytica("send", events, *url, option, value, "--report", "read")
    assert done.code == 2
    assert "read is also read" in done.error
    assert read.read_text() == text


def test_a_device_may_be_input_and_report(start):
    with Path(os.devnull).open("rb") as stdin:
        process = start("send", "--url", "http://127.0.0.1:1", "--report", os.devnull, stdin=stdin)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"holds no events" in err


def test_out_over_the_secret_is_refused(vaulytica, tmp_path):
    (tmp_path / "key").write_text("fake-key")
    done = vaulytica(
        "receive", "--listen", "127.0.0.1:0", "--hmac-secret", "file:key", "--out", "key"
    )
    assert done.code == 2
    assert "key is also read" in done.error


@needs_full
def test_a_report_on_a_full_disk(vaulytica, receiver, events):
    done = vaulytica("send", events, "--url", receiver.url, "--report", FULL)
    assert done.code == 1
    assert done.out.startswith("delivered 5 of 5 events")
    assert done.error == "vaulytica: error: cannot write /dev/full: No space left on device"


@needs_full
def test_a_full_disk_stops_what_is_not_begun(start, tmp_path):
    many = tmp_path / "many.ndjson"
    many.write_text('{"type":"a"}\n' * 5000)
    with Receiver(keep=0) as receiver:
        process = start("send", many, "--url", receiver.url, "--report", FULL, "--json")
        out, err = process.communicate(timeout=60)
    summary = json.loads(out)
    assert process.returncode == 1
    assert summary["delivered"] == receiver.counts[200] < 5000
    assert summary["unknown"] == 0
    assert summary["deferred"] > 0
    first, second = err.decode().splitlines()
    assert first == "vaulytica: error: cannot write /dev/full: No space left on device"
    assert second.startswith(f"vaulytica: stopped: {summary['delivered']} sent, ")
    assert "the input after line" in second


@needs_full
def test_a_receiver_on_a_full_disk(start):
    process = start("receive", "--listen", "127.0.0.1:0", "--out", FULL)
    url = process.stderr.readline().decode().split()[3]
    with urllib.request.urlopen(url, b"{}", timeout=5):
        pass
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err == b"vaulytica: error: cannot write /dev/full: No space left on device\n"
    assert b"1 requests: 1 answered 200" in out


@needs_full
def test_stdout_on_a_full_disk(start, receiver, events):
    with FULL.open("wb") as stdout:
        process = start("send", events, "--url", receiver.url, stdout=stdout)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err == b"vaulytica: error: cannot write the output: No space left on device\n"


def test_the_attempts_of_events_under_way_are_not_called_none(start, events):
    seen, over = [], threading.Event()

    def hold(record):
        seen.append(record)
        over.wait(30)

    with Receiver(respond=hold) as receiver:
        process = start("send", events, "--url", receiver.url, "--concurrency", "5")
        wait_for(lambda: len(seen) == 5)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
        over.set()
    assert out.decode().rstrip().endswith("s, 0 attempts besides those for the 5 unknown")
