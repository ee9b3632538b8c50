"""A whole relay with every way in: what comes in by any of them arrives, over reloads and kill -9."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.relay import RelayProcess, Sink, wait_until
from support.sources import connected

LINE = '{"type":"t","data":{"id":"%s"}}\n'


def lines(name: str, count: int) -> tuple[list[str], bytes]:
    ids = [f"{name}-{number}" for number in range(count)]
    return ids, "".join(LINE % id for id in ids).encode()


def through_socket(path: Path, body: bytes) -> dict[str, Any]:
    with connected(path) as client:
        client.sendall(body)
        client.shutdown(socket.SHUT_WR)
        answer: dict[str, Any] = json.loads(client.makefile("rb").read())
        return answer


def is_known(process: RelayProcess, log: Path) -> bool:
    """Whether the relay has seen the file; one that is renamed before that cannot be known."""
    with process.outbox() as outbox:
        return any(f'"ino":{log.stat().st_ino},' in mark for mark in outbox.marks("tail:").values())


def test_by_file_and_socket_over_a_kill(
    relay: Callable[..., RelayProcess], sink: Callable[..., Sink], tmp_path: Path
) -> None:
    one, log, path = sink(), tmp_path / "app.log", tmp_path / "s"
    intake = {
        "listen": "127.0.0.1:0",
        "socket": str(path),
        "tail": [{"path": f"{tmp_path}/*.log"}],
    }
    process = relay({"one": {"url": one.url}}, intake=intake)
    expected: list[str] = []
    for turn in range(4):
        ids, text = lines(f"file{turn}", 500)
        with log.open("ab") as file:
            file.write(text)
        expected += ids
        ids, text = lines(f"socket{turn}", 500)
        assert through_socket(path, text) == {"accepted": 500, "unreadable": 0}
        expected += ids
        wait_until(lambda: is_known(process, log), "the file is seen")
        process.kill()
        log.rename(tmp_path / f"app.log.{turn}")  # while nobody looks
        process.start()
    wait_until(lambda: process.counts()["one"].accepted >= len(expected), "all are accepted")
    process.wait_delivered()
    assert process.counts()["one"].accepted == len(expected)
    assert set(one.taken) == set(expected)
    process.check_the_law()
    assert process.stop() == 0
    assert not path.exists()


def test_a_reload_cuts_no_stream(
    relay: Callable[..., RelayProcess], sink: Callable[..., Sink], tmp_path: Path
) -> None:
    one, two, path = sink(), sink(), tmp_path / "s"
    process = relay(
        {"one": {"url": one.url}}, intake={"listen": "127.0.0.1:0", "socket": str(path)}
    )
    with connected(path) as client:
        client.sendall((LINE % "before").encode())
        destinations = {"one": {"url": one.url}, "two": {"url": two.url}}
        process.write({**process.config, "destinations": destinations})
        process.wait_for("reloaded")
        client.sendall((LINE % "after").encode())
        client.shutdown(socket.SHUT_WR)
        assert json.loads(client.recv(65536)) == {"accepted": 2, "unreadable": 0}
    process.wait_delivered()
    assert set(one.taken) == {"before", "after"}
    assert set(two.taken) == {"after"}


def test_lines_that_are_no_events_are_counted(
    relay: Callable[..., RelayProcess], sink: Callable[..., Sink], tmp_path: Path
) -> None:
    one, log = sink(id=lambda event: event["event_type"]), tmp_path / "app.log"
    log.write_text("plain\n" + LINE % "a" + "more\n")
    process = relay(
        {"one": {"url": one.url}},
        intake={"listen": "127.0.0.1:0", "tail": [{"path": str(log)}]},
    )
    wait_until(lambda: sum(one.taken.values()) == 3, "all are delivered")
    assert one.taken == {"unreadable_line": 2, "t": 1}
    assert process.metric("vaulytica_unreadable_lines_total") == 2
    log.unlink()
    time.sleep(1.5)
    assert process.metric("vaulytica_unreadable_lines_total") == 2


@pytest.mark.parametrize("by_option", [False, True])
def test_standard_input(sink: Callable[..., Sink], tmp_path: Path, by_option: bool) -> None:
    one = sink()
    ids, text = lines("stdin", 1000)
    config = tmp_path / "relay.json"
    config.write_text(
        json.dumps(
            {
                "outbox": f"sqlite://{tmp_path}/outbox.db",
                "intake": {"stdin": not by_option},
                "destinations": {"one": {"url": one.url}},
            }
        )
    )
    command = [sys.executable, "-m", "vaulytica", "relay", "--config", str(config)]
    with subprocess.Popen(
        [*command, "--stdin"] if by_option else command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(text)
        process.stdin.close()
        wait_until(lambda: len(one.taken) == 1000, "all are delivered")
        process.terminate()
        assert process.wait(60) == 0
    assert set(one.taken) == set(ids)
