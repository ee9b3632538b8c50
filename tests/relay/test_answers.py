"""What is refused at the intake is counted by status, and said: without a word of a stranger, and once a minute."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from support.outbox import OwnClock
from support.relay import RelayProcess, post, wait_until
from vaulytica.relay.http.answers import Answers

CUT = "vaulytica_intake_cut_connections_total"


def until_closed(client: socket.socket) -> bytes:
    try:
        return client.recv(1)
    except ConnectionResetError:
        return b""


class Lines:
    """A log that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def warning(self, event: str, **fields: Any) -> None:
        self.lines.append({"event": event, **fields})

    info = error = warning


def test_a_line_at_once_and_then_one_a_minute_with_how_many() -> None:
    log, clock = Lines(), OwnClock()
    answers = Answers(log, clock)
    for n in range(1000):
        answers.add(401, f"192.0.2.{n % 200}")
        answers.say()
    (first,) = log.lines
    assert first == {
        "event": "requests refused",
        "status": 401,
        "requests": 1,
        "why": "no token, or a wrong one",
        "last_client": "192.0.2.0",
    }
    answers.add(400)
    assert [line["status"] for line in log.lines] == [401, 400]
    assert "last_client" not in log.lines[1]
    clock.pass_by(59)
    answers.say()
    assert len(log.lines) == 2
    clock.pass_by(2)
    answers.say()
    assert (log.lines[2]["requests"], log.lines[2]["last_client"]) == (999, "192.0.2.199")
    answers.say()
    answers.add(401)
    answers.say()
    assert len(log.lines) == 3
    answers.say(at_last=True)
    assert (log.lines[3]["status"], log.lines[3]["requests"]) == (401, 1)
    assert (answers.by_status[401], answers.by_status[400]) == (1001, 1)


@pytest.mark.parametrize("status", [202, 404, 405])
def test_what_is_only_counted(status: int) -> None:
    log = Lines()
    answers = Answers(log, OwnClock())
    answers.add(status, "192.0.2.1")
    answers.say(at_last=True)
    assert (log.lines, answers.by_status[status]) == ([], 1)


def said_by(one: RelayProcess, request: bytes) -> int:
    """The status of the answer to these bytes."""
    host, _, port = one.url.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(request)
        return int(connection.makefile("rb").readline().split()[1])


def test_a_relay_counts_and_says_what_it_refuses(relay, sink, monkeypatch):
    monkeypatch.setenv("VAULYTICA_TEST_TOKEN", "fake-token-of-a-test")
    tokens = ["env:VAULYTICA_TEST_TOKEN"]
    limits = {"body": 2000}
    one = relay(
        {"a": {"url": sink().url}},
        intake={"listen": "127.0.0.1:0", "tokens": tokens, "limits": limits},
    )
    right = {"Authorization": "Bearer fake-token-of-a-test"}
    assert post(one, ["e-1"], **right)[0] == 202
    for n in range(20):
        assert post(one, ["e-2"], Authorization=f"Bearer strangers-words-{n}")[0] == 401
    assert post(one, ["e-3"], **{**right, "Content-Type": "strangers/words"})[0] == 415
    assert post(one, ["e" * 3000], **right)[0] == 413
    assert post(one, ["e-4"], "strangers-words", **right)[0] == 400
    assert said_by(one, b"strangers-words\r\n\r\n") == 400
    assert said_by(one, b"GET / HTTP/1.1\r\nx: " + b"w" * 70_000) == 431
    assert said_by(one, b"GET /strangers-words HTTP/1.1\r\nHost: h\r\n\r\n") == 404
    assert said_by(one, b"GET /v1/events HTTP/1.1\r\nHost: h\r\n\r\n") == 405
    counted = {202: 1, 401: 20, 415: 1, 413: 1, 400: 2, 431: 1, 404: 1, 405: 1, 429: 0, 503: 0}
    for status, count in counted.items():
        assert one.metric("vaulytica_intake_requests_total", code=str(status)) == count
    one.stop()
    refused = one.said("requests refused")
    totals = dict.fromkeys((line["status"] for line in refused), 0)
    for line in refused:
        assert line["last_client"] == "127.0.0.1"
        totals[line["status"]] += line["requests"]
    assert totals == {401: 20, 415: 1, 413: 1, 400: 2, 431: 1}
    assert "strangers" not in json.dumps(one.lines)
    assert len([line for line in refused if line["status"] == 401]) <= 3


def test_a_relay_counts_connections_that_it_cuts(relay, sink):
    """Here there may be one at a time, so each that asks has the one before it go."""
    one = relay(
        {"a": {"url": sink().url}}, intake={"listen": "127.0.0.1:0", "limits": {"connections": 1}}
    )
    host, _, port = one.url.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=60) as idle:
        wait_until(lambda: one.metric(CUT, reason="connections"), "it makes room", 60)
        assert until_closed(idle) == b""
    for reason in ("header_seconds", "body_seconds", "idle_seconds", "unread"):
        assert one.metric(CUT, reason=reason) == 0


def test_the_unix_socket_counts_as_well(relay, sink):
    one = relay({"a": {"url": sink().url}}, start=False)
    path = str(one.folder / "s")
    one.write({**one.config, "intake": {"listen": "127.0.0.1:0", "socket": path}})
    one.start()

    def sent() -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(path)
            except OSError:
                return False
            connection.settimeout(60)
            connection.sendall(b"POST /v1/events HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n{")
            return connection.recv(12) == b"HTTP/1.1 400"

    wait_until(sent, "it listens", 60)
    assert one.metric("vaulytica_intake_requests_total", code="400") == 1
    assert one.wait_for("requests refused")["status"] == 400
