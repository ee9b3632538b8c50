"""The intakes of a whole relay beside HTTP: sources that fail, sockets whose file goes, and how they end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from support.outbox import everything
from support.relay import RelayProcess, wait_until
from support.sources import connected

DOWN = {"url": "http://127.0.0.1:9"}
EVENT = b'{"type":"t","data":{"n":%d}}\n'


def kept(one: RelayProcess) -> list[dict[str, Any]]:
    """The events in its outbox, in order."""
    with one.outbox() as outbox:
        rows = everything(outbox, destinations=("a",))
        return [json.loads(line) for row in rows for line in row.body.splitlines()]


def until_kept(one: RelayProcess, count: int) -> None:
    def is_there() -> bool:
        counts = one.counts()
        return "a" in counts and counts["a"].accepted >= count

    wait_until(is_there, f"{count} events")


def answer(client: socket.socket) -> dict[str, int]:
    with client.makefile("rb") as file:
        return json.loads(file.read())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "run"
    made.mkdir()
    return made


def with_socket(path: Path, **more: Any) -> dict[str, Any]:
    return {"listen": "127.0.0.1:0", "socket": {"path": str(path), **more}}


# --- What fails is tried again.


def test_a_socket_whose_folder_is_gone_is_tried_again_and_said_meanwhile(
    relay, folder: Path
) -> None:
    path = folder / "s"
    one = relay({"a": DOWN}, intake=with_socket(path))
    name = f"socket {path}"
    shutil.rmtree(folder)
    said = one.wait_for("intake failed", source=name)
    assert said["level"] == "error"
    assert "cannot listen on" in said["why"]
    assert "tried again in 1 s" in said["next"]
    status, body = one.get("/readyz")  # over HTTP it does take events
    assert (status, json.loads(body)) == (200, {"ok": True, "failing": [name]})
    assert one.metric("vaulytica_failing_sources") == 1
    wait_until(
        lambda: f'vaulytica_source_failures_total{{source="{name}"}} 2.0' in one.get("/metrics")[1],
        "it is tried again",
    )
    assert len(one.said("intake failed")) == 1
    folder.mkdir()
    with connected(path) as client:
        client.sendall(EVENT % 1)
        client.shutdown(socket.SHUT_WR)
        assert answer(client) == {"accepted": 1, "unreadable": 0}
    one.wait_for("intake works again", source=name)
    assert json.loads(one.get("/readyz")[1]) == {"ok": True}
    assert one.metric("vaulytica_failing_sources") == 0


def test_a_source_that_waits_to_be_tried_again_does_not_hold_up_the_end(
    relay, folder: Path
) -> None:
    one = relay({"a": DOWN}, intake=with_socket(folder / "s"))
    shutil.rmtree(folder)
    one.wait_for("intake failed")
    assert one.stop() == 0
    one.wait_for("stopped")


# --- The file of a socket.


def test_a_socket_whose_file_is_removed_listens_anew_and_streams_go_on(relay, folder: Path) -> None:
    path = folder / "s"
    one = relay({"a": DOWN}, intake=with_socket(path))
    with connected(path) as first:
        first.sendall(EVENT % 0)
        until_kept(one, 1)
        path.unlink()
        with connected(path) as second:
            second.sendall(EVENT % 1)
            second.shutdown(socket.SHUT_WR)
            assert answer(second) == {"accepted": 1, "unreadable": 0}
        first.sendall(EVENT % 2)
        first.shutdown(socket.SHUT_WR)
        assert answer(first) == {"accepted": 2, "unreadable": 0}
    assert [line["level"] for line in one.lines if "its file was removed" in line["event"]] == [
        "warning"
    ]
    one.stop()
    assert not path.exists()


def test_a_file_that_is_anothers_by_now_is_left_to_it(relay, folder: Path) -> None:
    path = folder / "s"
    one = relay({"a": DOWN}, intake=with_socket(path))
    with connected(path), socket.socket(socket.AF_UNIX) as other:
        other.bind(str(folder / "new"))
        other.listen()
        (folder / "new").replace(path)
        said = one.wait_for("intake failed")
        assert "another program listens on" in said["why"]
        assert one.stop() == 0
        with connected(path), other.accept()[0]:
            pass


def test_a_relay_killed_with_its_socket_begins_again(relay, folder: Path) -> None:
    path = folder / "s"
    one = relay({"a": DOWN}, intake=with_socket(path))
    with connected(path):
        one.kill()
    assert path.exists()
    one.start()
    with connected(path) as client:
        client.sendall(EVENT % 1)
        client.shutdown(socket.SHUT_WR)
        assert answer(client) == {"accepted": 1, "unreadable": 0}


@pytest.mark.timeout(180)
def test_what_a_stream_was_told_is_on_disk_outlives_kills(relay, folder: Path) -> None:
    path, over = folder / "s", threading.Event()
    told: list[int] = []
    sent = iter(range(10**9))
    lock = threading.Lock()

    def write() -> None:
        while not over.is_set():
            with lock:
                numbers = [next(sent) for _ in range(30)]
            try:
                with socket.socket(socket.AF_UNIX) as client:
                    client.settimeout(60)
                    client.connect(str(path))
                    client.sendall(b"".join(EVENT % number for number in numbers))
                    client.shutdown(socket.SHUT_WR)
                    if answer(client)["accepted"] == 30:
                        told.extend(numbers)
            except (OSError, ValueError):
                over.wait(0.01)

    one = relay({"a": DOWN}, intake=with_socket(path))
    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    try:
        for _ in range(5):
            before = len(told)
            wait_until(lambda before=before: len(told) > before + 200, "streams are taken")
            one.kill()
            one.start()
    finally:
        over.set()
        for writer in writers:
            writer.join(60)
    one.stop()
    there = [event["data"]["n"] for event in kept(one)]
    assert set(told) <= set(there)
    assert len(there) == len(set(there))
    one.check_the_law()


# --- The end of a relay.


def test_a_stream_is_told_at_the_end_of_the_relay_how_much_of_it_is_on_disk(
    relay, folder: Path
) -> None:
    path = folder / "s"
    one = relay({"a": DOWN}, intake=with_socket(path))
    with connected(path) as client:
        client.sendall(EVENT % 0 + EVENT % 1)
        until_kept(one, 2)
        client.sendall((EVENT % 2)[:10])  # half a line is not taken: its writer is told
        one.signal(signal.SIGTERM)
        assert answer(client) == {"accepted": 2, "unreadable": 0}
    assert one.wait() == 0
    assert len(kept(one)) == 2


@pytest.mark.timeout(180)
def test_a_pipe_that_outlives_relays_loses_nothing(relay) -> None:
    """Each is stopped in the midst of it, and takes all that it has read of it."""
    one = relay(
        {"a": {**DOWN, "concurrency": 1}},
        start=False,
        intake={"listen": "127.0.0.1:0", "stdin": {"as": "text"}},
        drain=0,
    )
    lines = "".join(f"{number} {'x' * (number % 200)}\n" for number in range(200_000))
    read, write = os.pipe()
    writer = threading.Thread(target=lambda: [os.write(write, lines.encode()), os.close(write)])
    writer.start()
    try:
        for _ in range(4):
            one.start(stdin=read)
            before = one.counts()["a"].accepted if "a" in one.counts() else 0
            until_kept(one, before + 1)
            assert one.stop() == 0
        one.start(stdin=read)
        one.wait_for("intake ended", source="stdin")
        writer.join(60)
    finally:
        os.close(read)
    one.stop()
    there = Counter(event["data"]["message"] for event in kept(one))
    wanted = Counter(lines.splitlines())
    cut, parts = list((wanted - there).elements()), list((there - wanted).elements())
    assert len(cut) <= 4  # a line that was read in part by one relay is kept in parts
    assert len(parts) == 2 * len(cut)
    assert all(any(a + b == line for a in parts for b in parts) for line in cut)


def test_more_than_the_outbox_may_hold_passes_through_it(relay, sink) -> None:
    a = sink()
    read, write = os.pipe()
    one = relay(
        {"a": {"url": a.url}},
        start=False,
        full={"events": 50},
        intake={"listen": "127.0.0.1:0", "stdin": True},
    )
    lines = b"".join(b'{"type":"t","data":{"id":"e-%d"}}\n' % number for number in range(500))
    os.write(write, lines)
    os.close(write)
    one.start(stdin=read)
    os.close(read)
    one.wait_for("intake ended", source="stdin")
    one.wait_delivered()
    assert len(a.taken) == 500


# --- Standard input.


def test_a_pipe_that_others_have_made_not_blocking(relay) -> None:
    read, write = os.pipe()
    os.set_blocking(read, False)
    one = relay({"a": DOWN}, start=False, intake={"listen": "127.0.0.1:0", "stdin": True})
    one.start(stdin=read)
    os.close(read)
    os.write(write, EVENT % 0)
    until_kept(one, 1)
    os.write(write, EVENT % 1)
    until_kept(one, 2)
    os.close(write)
    one.wait_for("intake ended", source="stdin")
    assert one.said("intake failed") == []


def test_a_reload_does_not_read_an_input_that_has_ended_again(relay) -> None:
    intake = {"listen": "127.0.0.1:0", "stdin": True}
    one = relay({"a": DOWN}, start=False, intake=intake)
    one.start()  # on an empty input
    one.wait_for("intake ended", source="stdin")
    one.write({"outbox": f"sqlite://{one.outbox_path}", **one.config, "drain": 4})
    one.wait_for("reloaded")
    assert len(one.said("intake ended")) == 1
    assert one.get("/readyz")[0] == 200


def test_an_input_that_is_closed_is_refused(relay) -> None:
    one = relay({"a": DOWN}, start=False, intake={"listen": "127.0.0.1:0"})
    shell = '"$0" -m vaulytica relay --config "$1" --stdin <&-'
    done = subprocess.run(
        ["/bin/sh", "-c", shell, sys.executable, str(one.path)],
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode != 0
    assert "standard input is closed" in done.stderr
    assert done.stderr.count("\n") == 1
