"""What a reviewer will try at the intake, each by name."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import resource
import socket
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.intake import TOKEN, Intake, intake
from support.ports import free_port
from support.sources import process, until_it_listens
from vaulytica.errors import WebhookConfigError
from vaulytica.relay.intake.settings import IntakeSettings

EVENT = b'{"type":"t","data":{"a":1}}'
NDJSON = {"Content-Type": "application/x-ndjson"}
HEAD = (
    f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
    "Content-Type: application/x-ndjson\r\n"
).encode()


def until_closed(client: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    parts = []
    try:
        while part := client.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def seconds_until_refused(client: socket.socket) -> float:
    """Send a byte now and then, as long as the other side has them."""
    began = time.monotonic()
    try:
        while time.monotonic() - began < 10:
            client.sendall(b"x")
            time.sleep(0.1)
    except ConnectionError:
        pass
    return time.monotonic() - began


# --- Body over the limit: 413 before it is read whole.


def test_a_body_that_says_it_is_too_large_is_refused_before_any_of_it_is_read(
    relay_in: Intake,
) -> None:
    with relay_in.connect() as client:
        client.sendall(HEAD + b"Content-Length: 99999999999\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_says_it_is_too_large_is_not_asked_for(relay_in: Intake) -> None:
    with relay_in.connect() as client:
        client.sendall(HEAD + b"Content-Length: 99999999\r\nExpect: 100-continue\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_a_chunked_body_is_refused_when_it_becomes_too_large(tmp_path: Path) -> None:
    with intake(tmp_path, limits={"body": 100_000}) as relay_in, relay_in.connect() as client:
        client.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(11):
            client.sendall(b"2710\r\n" + b" " * 10_000 + b"\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 413 ")  # and its end was never sent


def test_an_endless_body_ends(tmp_path: Path) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b" " * 1_000_000

    with intake(tmp_path, limits={"body": 100_000}) as relay_in:
        with pytest.raises(ConnectionError):
            relay_in.post(endless())
        assert relay_in.post(EVENT).status == 202


def test_a_zip_bomb_is_inflated_no_further_than_the_limit(relay_in: Intake) -> None:
    bomb = gzip.compress(b" " * 300_000_000, 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = relay_in.post(bomb, {"Content-Encoding": "gzip"})
    assert answer.status == 413
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024  # KiB


def test_an_event_over_its_limit(tmp_path: Path) -> None:
    large = json.dumps({"type": "t", "data": {"a": "x" * 1000}}).encode()
    with intake(tmp_path, limits={"event": 1000}) as relay_in:
        answer = relay_in.post(EVENT + b"\n" + large, NDJSON)
        assert (answer.status, answer.json["line"]) == (413, 2)
        assert relay_in.post(b"[" + large + b"]").status == 413
        assert relay_in.kept() == []


@pytest.mark.parametrize("body", [b"\n".join([EVENT] * 6), b"[" + b",".join([EVENT] * 6) + b"]"])
def test_more_events_than_one_request_may_have(tmp_path: Path, body: bytes) -> None:
    with intake(tmp_path, limits={"events": 5}) as relay_in:
        answer = relay_in.post(body)
        assert (answer.status, relay_in.kept()) == (413, [])
        assert "more than 5 events" in answer.error


def test_large_bodies_together_take_bounded_memory(tmp_path: Path) -> None:
    """Of bodies that do not come, no more may be waited for than there is room; who waits is told in the end."""
    with intake(tmp_path, limits={"body": 100_000}) as relay_in:
        clients = [relay_in.connect() for _ in range(9)]
        try:
            for client in clients:
                client.sendall(HEAD + b"Content-Length: 100000\r\n\r\n")
                time.sleep(0.02)
            clients[0].sendall(b"x" * 100_000)  # the first is over, so there is room for the ninth
            assert clients[0].recv(65536).startswith(b"HTTP/1.1 400 ")
            clients[8].sendall(b"x" * 100_000)
            assert clients[8].recv(65536).startswith(b"HTTP/1.1 400 ")
        finally:
            for client in clients:
                client.close()


def test_small_bodies_that_become_large_wait_for_room(tmp_path: Path) -> None:
    """Each is within the limit; many at a time are taken a few after the others, and none is lost."""
    body = gzip.compress(EVENT + (b"\n" + b" " * 1000) * 9_000)
    headers = {**NDJSON, "Content-Encoding": "gzip"}
    assert len(body) < 64 * 1024
    with intake(tmp_path) as relay_in:
        before = resident(os.getpid())
        with ThreadPoolExecutor(40) as pool:
            answers = pool.map(lambda _: relay_in.post(body, headers), range(40))
            assert {answer.status for answer in answers} == {202}
        assert resident(os.getpid()) - before < 250 * 1024 * 1024
        assert len(relay_in.kept()) == 40


# --- Bad JSON on line k: 400 naming line k, and nothing of that request accepted.


@pytest.mark.parametrize("k", [1, 2, 500, 1000])
def test_bad_json_on_line_k_is_named_and_nothing_accepted(relay_in: Intake, k: int) -> None:
    texts = [EVENT] * 1000
    texts[k - 1] = b'{"type": "t", "data": {"a": }}'
    answer = relay_in.post(b"\n".join(texts), NDJSON)
    assert (answer.status, answer.json["line"]) == (400, k)
    assert relay_in.kept() == []


def test_bad_json_far_behind_is_named_by_its_line(relay_in: Intake) -> None:
    body = b"\n".join([b'{"type":"t","data":{"a":"%s"}}' % (b"x" * 300)] * 3000 + [b"", b"{"])
    answer = relay_in.post(body, NDJSON)
    assert (answer.status, answer.json["line"]) == (400, 3002)
    assert relay_in.kept() == []


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (b'{"type":"t","data":' + b'{"a":' * 101 + b"1" + b"}" * 101 + b"}", "nested deeper than 100"),
        (b'{"type":"t","data":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}}", "nested"),
        (b'{"type":' + b"[" * 400_000, "nested too deep"),
        (b'{"type":"t","data":{"a":1,"b":2,"a":3}}', "the key 'a' stands twice"),
        (b'{"type":"t","data":{"a":1,"\\u0061":3}}', "the key 'a' stands twice"),
        (b'{"type":"t","data":{"x":[{"deep":1,"deep":1}]}}', "the key 'deep' stands twice"),
        (b'{"type":"t","type":"u"}', "the key 'type' stands twice"),
        (b'{"type":"t","severity":"debug","severity":"critical"}', "the key 'severity' stands twice"),
        (b'{"type":"t","metadata":{"index":1,"index":2}}', "the key 'index' stands twice"),
        (b'{"type":"t","data":{"a":"\xff"}}', "not UTF-8"),
        (b'{"type":"t","data":{"a":"\xed\xa0\x80"}}', "not UTF-8"),
        (b'{"type":"t\xc0\x80"}', "not UTF-8"),
        (b'{"type":"t","data":{"a":"\x00"}}', "NUL byte at column 26"),
        (b'{"type":"t"}\x00', "NUL byte at column 13"),
        (b'{"type":"t","data":{"a":"\\ud800"}}', "lone surrogate"),
        (b'{"type":"t","data":{"\\udc00":1}}', "lone surrogate"),
        (b'{"type":"\\ud800"}', "lone surrogate"),
        (b'{"type":"t","source":"\\udfff"}', "lone surrogate"),
        (b'{"type":"t","metadata":{"a":["\\ud800x"]}}', "lone surrogate"),
        (b'{"type":"t","data":{"a":NaN}}', "which JSON does not have"),
        (b'{"type":"t","data":{"a":1e999}}', "which JSON does not have"),
        (b'{"type":"t","data":{"a":' + b"9" * 5000 + b"}}", "digits"),
    ],
)  # fmt: skip
def test_deep_nesting_duplicate_keys_utf8_nul_surrogates(
    relay_in: Intake, bad: bytes, why: str
) -> None:
    for body, headers in [
        (EVENT + b"\n" + bad + b"\n" + EVENT, NDJSON),
        (bad, {}),
        (b"[%s]" % bad, {}),
    ]:
        answer = relay_in.post(body, headers)
        assert answer.status == 400, answer.body
        if headers:
            assert answer.json["line"] == 2
            assert why in answer.error
    assert relay_in.kept() == []


def test_characters_beyond_16_bits_are_not_lone_surrogates(relay_in: Intake) -> None:
    assert relay_in.post(b'{"type":"t","data":{"a":"\\ud83d\\ude00"}}').status == 202
    assert relay_in.kept()[0]["data"] == {"a": "\U0001f600"}


# --- No or wrong token: 401 in constant time.


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer \xff"],
)  # fmt: skip
def test_no_or_wrong_token(relay_in: Intake, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = relay_in.post(EVENT, headers, token=None)
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Bearer ")
    assert TOKEN not in answer.error
    assert relay_in.kept() == []


def test_any_of_the_tokens_fits(tmp_path: Path) -> None:
    with intake(tmp_path, tokens=["fake-one", "fake-two"]) as relay_in:
        statuses = [
            relay_in.post(EVENT, token=token).status for token in ("fake-one", "fake-two", "fake")
        ]
        assert statuses == [202, 202, 401]


def test_a_token_from_a_file_may_be_exchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vaulytica.relay.intake.refusal import Refusal
    from vaulytica.relay.intake.tokens import Tokens
    from vaulytica.secrets import SecretRef, reference

    now = time.monotonic()
    monkeypatch.setattr(reference.time, "monotonic", lambda: now)
    (tmp_path / "token").write_text("fake-old")
    tokens = Tokens([SecretRef(f"file:{tmp_path}/token")])
    tokens.holder(b"Bearer fake-old")
    (tmp_path / "token").write_text("fake-newer")
    now += 2
    tokens.holder(b"Bearer fake-newer")
    with pytest.raises(Refusal):
        tokens.holder(b"Bearer fake-old")


def test_a_token_is_looked_up_in_constant_time() -> None:
    """How much of a token is right is not to be seen; nor whether it is like the first or the last of many."""
    from vaulytica.relay.intake.refusal import Refusal
    from vaulytica.relay.intake.tokens import Tokens

    secret = "s" * 4096
    tokens = Tokens(IntakeSettings(tokens=[secret, *[f"fake-{n}" for n in range(20)]]).tokens)
    guesses = [b"Bearer " + b"x" * 4096, b"Bearer " + b"s" * 4095 + b"x"]

    def seconds(guess: bytes) -> float:
        began = time.perf_counter()
        for _ in range(20):
            with pytest.raises(Refusal):
                tokens.holder(guess)
        return time.perf_counter() - began

    medians = [0.0, 0.0]
    for _ in range(3):  # the machine may be busy with something else
        times = [[seconds(guess) for guess in guesses] for _ in range(60)]
        medians = [statistics.median(column) for column in zip(*times, strict=True)]
        if 0.8 < medians[0] / medians[1] < 1.25:
            return
    pytest.fail(f"the times differ: {medians}")


def test_without_tokens_only_loopback_may_be_listened_on() -> None:
    IntakeSettings(listen="127.0.0.1:8780")
    IntakeSettings(listen="[::1]:8780")
    IntakeSettings(listen="localhost:8780")
    IntakeSettings(listen=":8780")  # without a host it is this machine only
    IntakeSettings(listen="0.0.0.0:8780", anonymous=True)
    for listen in ("0.0.0.0:8780", "[::]:8780", "198.51.100.7:80", "relay.example.com:80"):
        with pytest.raises(WebhookConfigError, match=r"tokens"):
            IntakeSettings(listen=listen)


def test_without_tokens_a_web_page_cannot_put_events_in(tmp_path: Path) -> None:
    with intake(tmp_path, tokens=[]) as relay_in:
        assert relay_in.post(EVENT, {"Origin": "https://www.example.com"}, token=None).status == 403
        assert relay_in.post(EVENT, token=None).status == 202


# --- Slowloris, heads without end, idle connections.

QUICK = {"header_seconds": 1, "body_seconds": 1, "idle_seconds": 1}


@pytest.mark.parametrize(
    ("beginning", "limit"),
    [
        (b"", "header_seconds"),
        (b"POST /v1/events HT", "header_seconds"),
        (HEAD, "header_seconds"),
        (HEAD + b"Content-Length: 900\r\n\r\n{", "body_seconds"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5", "body_seconds"),
    ],
)
def test_slowloris_a_request_that_does_not_go_on(
    tmp_path: Path, beginning: bytes, limit: str
) -> None:
    with intake(tmp_path, limits=QUICK) as relay_in, relay_in.connect() as client:
        client.sendall(beginning)
        began = time.monotonic()
        until_closed(client)
        assert time.monotonic() - began < 8
        assert relay_in.cuts == {limit: 1}


@pytest.mark.parametrize("beginning", [HEAD + b"X-A: ", HEAD + b"Content-Length: 900\r\n\r\n"])
def test_slowloris_a_byte_now_and_then(tmp_path: Path, beginning: bytes) -> None:
    with intake(tmp_path, limits=QUICK) as relay_in, relay_in.connect() as client:
        client.sendall(beginning)
        assert seconds_until_refused(client) < 8


def test_an_idle_time_that_would_be_none_is_refused() -> None:
    """In whole seconds, as uvicorn waits, it would be 0."""
    with pytest.raises(WebhookConfigError, match="idle_seconds"):
        IntakeSettings(listen="127.0.0.1:0", limits={"idle_seconds": 0.4})


def test_slowloris_after_a_request_that_was_well(tmp_path: Path) -> None:
    with intake(tmp_path, limits=QUICK) as relay_in, relay_in.connect() as client:
        whole = HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(EVENT), EVENT)
        for _ in range(3):
            client.sendall(whole)
            assert client.recv(65536).startswith(b"HTTP/1.1 202 ")
        client.sendall(b"POST")
        began = time.monotonic()
        until_closed(client)
        assert time.monotonic() - began < 8
        assert relay_in.cuts == {"header_seconds": 1}


def test_a_connection_that_asks_nothing_more(tmp_path: Path) -> None:
    with intake(tmp_path, limits=QUICK) as relay_in, relay_in.connect() as client:
        client.sendall(HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(EVENT), EVENT))
        assert until_closed(client).startswith(b"HTTP/1.1 202 ")
        assert relay_in.cuts == {"idle_seconds": 1}


def test_who_goes_by_himself_is_not_counted_as_cut(tmp_path: Path) -> None:
    with intake(tmp_path, limits=QUICK) as relay_in:
        with relay_in.connect() as client:
            client.sendall(HEAD)
        assert relay_in.post(EVENT).status == 202
        with relay_in.connect() as client:
            client.sendall(b"no HTTP\r\n\r\n")
            assert until_closed(client).startswith(b"HTTP/1.1 400 ")
    assert relay_in.cuts == {}


def test_a_body_that_comes_steadily_has_time(tmp_path: Path) -> None:
    with intake(tmp_path, limits=QUICK) as relay_in, relay_in.connect() as client:
        client.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % (len(EVENT) + 25 * 2048))
        for _ in range(25):
            client.sendall(b" " * 2048)
            time.sleep(0.1)
        client.sendall(EVENT)
        assert client.recv(65536).startswith(b"HTTP/1.1 202 ")


def test_a_head_without_end_is_refused(relay_in: Intake) -> None:
    with relay_in.connect() as client:
        try:
            client.sendall(HEAD)
            for n in range(10_000):
                client.sendall(b"X-%d: %s\r\n" % (n, b"y" * 100))
        except ConnectionError:
            return  # it was closed before the answer could be read
        assert client.recv(65536).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    "junk",
    [
        b"\x16\x03\x01\x02\x00\x01",
        b"GET\r\n\r\n",
        b"POST /v1/events HTTP/9.9\r\n\r\n",
        b"\x00" * 100,
    ],
)
def test_what_is_no_http_is_told_so_on_one_line(relay_in: Intake, junk: bytes) -> None:
    with relay_in.connect() as client:
        client.sendall(junk)
        answer = until_closed(client)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"error": "this is not HTTP"}


def test_two_lengths_are_refused(relay_in: Intake) -> None:
    """Between a proxy and us they could smuggle a request."""
    for headers in (
        b"Content-Length: 5\r\nContent-Length: 27\r\n\r\n",
        b"Content-Length: 27\r\nTransfer-Encoding: chunked\r\n\r\n",
    ):
        with relay_in.connect() as client:
            client.sendall(HEAD + headers + EVENT)
            assert client.recv(65536).startswith(b"HTTP/1.1 400 ")
    assert relay_in.kept() == []


def test_an_answer_that_nobody_reads_is_not_kept_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vaulytica.relay.intake import guard

    monkeypatch.setattr(guard, "_UNREAD", 1.0)
    with intake(tmp_path) as relay_in:
        relay_in.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        client = relay_in.connect()
        body = EVENT + b"\n"
        client.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % (len(body) * 50_000) + body * 50_000)
        give_up = time.monotonic() + 60
        while (
            not relay_in.guard.connections or next(iter(relay_in.guard.connections)).cycle is None
        ):
            time.sleep(0.05)
        while relay_in.guard.connections and time.monotonic() < give_up:
            time.sleep(0.05)
        assert not relay_in.guard.connections
        assert relay_in.cuts == {"unread": 1}
        client.close()
        assert len(relay_in.kept()) == 50_000


@pytest.mark.timeout(240)
def test_10_000_idle_connections(tmp_path: Path) -> None:
    """They take bounded memory, and nobody else's time; some say nothing, some begin to."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = 10_000 if hard == resource.RLIM_INFINITY else min(10_000, hard - 600)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    idle: list[socket.socket] = []
    try:
        with process(tmp_path, port := free_port()) as running:
            until_it_listens(port)
            empty = resident(running.pid)
            for number in range(count):
                idle.append(socket.create_connection(("127.0.0.1", port), 20))
                if number % 2:
                    idle[-1].sendall(HEAD[: number % len(HEAD)])
            began = time.monotonic()
            status = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            status.request("POST", "/v1/events", EVENT, {"Authorization": f"Bearer {TOKEN}"})
            assert status.getresponse().status == 202
            assert time.monotonic() - began < 5
            status.close()
            assert resident(running.pid) - empty < 16 * 1024 * count
    finally:
        for client in idle:
            client.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def resident(pid: int) -> int:
    """Bytes of memory that a process has."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def test_the_one_idle_for_longest_makes_room(tmp_path: Path) -> None:
    with intake(tmp_path, limits={"connections": 3}) as relay_in:
        clients = [relay_in.connect() for _ in range(3)]
        time.sleep(0.2)
        assert relay_in.post(EVENT).status == 202
        clients[0].settimeout(5)
        assert until_closed(clients[0]) == b""
        assert relay_in.cuts == {"connections": 1}
        for client in clients[1:]:
            client.setblocking(False)
            with pytest.raises(BlockingIOError):
                client.recv(1)
        for client in clients:
            client.close()
