"""Lines from standard input and from a Unix socket, and HTTP over that socket."""

from __future__ import annotations

import asyncio
import json
import os
import select
import socket
import stat
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from support.intake import Intake
from support.sources import connected, running, wait_for
from vaulytica.errors import OutboxError, WebhookConfigError
from vaulytica.lines import Lines
from vaulytica.outbox.parcel import Parcel
from vaulytica.relay.door.accept import Full
from vaulytica.relay.intake import line_reader, sources
from vaulytica.relay.intake import stdin as stdin_source
from vaulytica.relay.intake.feed import Feed
from vaulytica.relay.intake.line_reader import LineReader
from vaulytica.relay.intake.settings import IntakeLimits, IntakeSettings, LineSettings
from vaulytica.relay.intake.stdin import Stdin
from vaulytica.relay.intake.stream import Stream

EVENT = b'{"type":"t","data":{"n":%d}}\n'


@pytest.fixture
def pipe() -> Any:
    read, write = os.pipe()
    yield read, os.fdopen(write, "wb", buffering=0)
    os.close(read)


def stdin(read: int, **settings: Any) -> Stdin:
    limits = IntakeLimits(**settings.pop("limits", {}))
    return Stdin(LineSettings(**settings), limits, read)


# --- Standard input.


def test_lines_are_taken_as_they_come(behind: Intake, pipe: Any) -> None:
    read, write = pipe
    with write, running(stdin(read), behind) as source:
        write.write(EVENT % 0 + EVENT % 1)
        assert len(source.until(2)) == 2  # and nothing waits for the end
        write.write((EVENT % 2)[:10])
        write.write((EVENT % 2)[10:] + b"\n  \n")
        source.until(3)
        write.write((EVENT % 3).rstrip())  # the last has no end of a line
        write.close()
        source.join()
    assert [event["data"]["n"] for event in behind.kept()] == [0, 1, 2, 3]


def test_many_lines(behind: Intake, pipe: Any) -> None:
    read, write = pipe
    with running(stdin(read), behind) as source, write:
        write.write(b"".join(EVENT % n for n in range(50_000)))
        write.close()
        source.join()
    assert [event["data"]["n"] for event in behind.kept()] == list(range(50_000))


def test_a_line_that_is_no_event_is_kept_as_one_that_says_so(behind: Intake, pipe: Any) -> None:
    read, write = pipe
    with running(stdin(read), behind) as source, write:
        write.write(
            EVENT % 0 + b"plain text \xff\n" + EVENT % 1 + b'{"type":"t","data":{"a":1,"a":2}}\n'
        )
        write.close()
        source.join()
    first, bad, second, twice = behind.kept()
    assert (first["data"], second["data"]) == ({"n": 0}, {"n": 1})
    assert (bad["type"], bad["severity"]) == ("unreadable_line", "warning")
    assert bad["data"]["text"] == "plain text \\xff"
    assert (bad["data"]["origin"], bad["data"]["byte"]) == ("stdin", len(EVENT % 0))
    assert "not UTF-8" in bad["data"]["why"]
    assert "the key 'a' stands twice" in twice["data"]["why"]


def test_a_line_too_long_is_cut_and_the_next_read(behind: Intake, pipe: Any) -> None:
    read, write = pipe
    with running(stdin(read, limits={"event": 1000}), behind) as source, write:
        write.write(EVENT % 0)
        for _ in range(50):
            write.write(b"x" * 10_000)
        write.write(b"\n" + EVENT % 1)
        write.close()
        source.join()
    first, bad, second = behind.kept()
    assert (first["data"], second["data"]) == ({"n": 0}, {"n": 1})
    assert "longer than 1000 bytes" in bad["data"]["why"]


def test_text(behind: Intake, pipe: Any) -> None:
    read, write = pipe
    settings = {"as": "text", "type": "app_log", "severity": "ERROR", "source": "app"}
    with running(stdin(read, **settings), behind) as source, write:
        write.write("Größe: 5\r\n{}\n\xff".encode("latin-1"))
        write.close()
        source.join()
    kept = behind.kept()
    assert [event["data"]["message"] for event in kept] == ["Gr\\xf6\\xdfe: 5", "{}", "\\xff"]
    assert {(event["type"], event["severity"], event["source"]) for event in kept} == {("app_log", "error", "app")}  # fmt: skip


def test_json(behind: Intake, pipe: Any) -> None:
    read, write = pipe
    with running(stdin(read, **{"as": "json", "type": "app_log"}), behind) as source, write:
        write.write(b'{"level": "info", "type": "x"}\n[1]\n{')
        write.close()
        source.join()
    one, array, broken = behind.kept()
    assert (one["type"], one["data"]) == ("app_log", {"level": "info", "type": "x"})
    assert {array["type"], broken["type"]} == {"unreadable_line"}


@pytest.mark.parametrize("trouble", [Full("full", 0.05), OutboxError("disk full")])
def test_what_cannot_be_kept_waits(behind: Intake, pipe: Any, trouble: Exception) -> None:
    read, write = pipe
    behind.failing = trouble
    with running(stdin(read), behind) as source, write:
        write.write(EVENT % 0)
        time.sleep(0.2)
        behind.failing = None
        assert len(source.until(1)) == 1


def test_what_it_cannot_keep_yet_it_keeps_when_it_runs_again(behind: Intake, pipe: Any) -> None:
    read, write = pipe
    one = stdin(read)
    behind.failing = OutboxError("disk full")
    with write:
        with running(one, behind) as source:
            write.write(EVENT % 0 + (EVENT % 1)[:5])
            wait_for(lambda: one._stream.held == 2)
            behind.failing = RuntimeError("a fault of ours")
            source.join()
            assert isinstance(source.error, RuntimeError)
            source.error = None
        behind.failing = None
        with running(one, behind) as source:
            write.write((EVENT % 1)[5:])
            write.close()
            source.join()
    assert [event["data"]["n"] for event in behind.kept()] == [0, 1]


def test_what_was_read_ahead_and_cannot_be_kept_at_a_stop_is_said(
    behind: Intake, pipe: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stdin_source, "_GRACE", 0.1)
    read, write = pipe
    one = stdin(read)
    behind.failing = Full("full", 0.05)
    with write:
        with running(one, behind):
            write.write(EVENT % 0)
            wait_for(lambda: one._stream.held == 1)
            write.write(EVENT % 1 + EVENT % 2)
            wait_for(lambda: not select.select([read], [], [], 0)[0])  # the thread has it
        assert "stdin: 3 events were read, and are not kept" in caplog.messages
        behind.failing = None
        with running(one, behind) as source:
            write.close()
            source.join()
    assert [event["data"]["n"] for event in behind.kept()] == [0, 1, 2]


class Held:
    """The way to an outbox: a put, or the lanes' turn after it, takes until it is let go."""

    def __init__(self, behind: Intake, what: str) -> None:
        self._behind, self._what = behind, what
        self.reached, self.let_go = asyncio.Event(), asyncio.Event()

    async def __call__(self, entries: Any, **more: Any) -> Any:
        await self._wait("put")
        return await self._behind(entries, **more)

    async def turn(self) -> None:
        await self._wait("turn")

    async def _wait(self, what: str) -> None:
        if what == self._what:
            self.reached.set()
            await self.let_go.wait()


@pytest.mark.parametrize("what", ["put", "turn"])
@pytest.mark.parametrize("times", [1, 2, 3])
def test_what_was_being_kept_as_its_time_to_stop_ran_out_is_neither_said_lost_nor_kept_twice(
    behind: Intake,
    pipe: Any,
    what: str,
    times: int,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stdin_source, "_GRACE", 0.0)
    read, write = pipe
    one = stdin(read)
    write.write(EVENT % 0 + EVENT % 1)

    async def stopped() -> None:
        held = Held(behind, what)
        run = asyncio.ensure_future(one.run(held))
        await asyncio.wait_for(held.reached.wait(), 60)
        for _ in range(times):
            run.cancel()
            for _ in range(20):  # until nothing moves but by what is held
                await asyncio.sleep(0)
        held.let_go.set()
        with suppress(asyncio.CancelledError):
            await run

    asyncio.run(stopped())
    assert caplog.messages == []
    write.write(EVENT % 2)
    write.close()
    with running(one, behind) as source:
        source.join()
    assert [event["data"]["n"] for event in behind.kept()] == [0, 1, 2]


@pytest.mark.parametrize("kind", ["events", "json", "text"])
def test_a_mark_of_utf8_is_no_part_of_the_first_line(behind: Intake, pipe: Any, kind: str) -> None:
    read, write = pipe
    with running(stdin(read, **{"as": kind}), behind) as source, write:
        write.write(b"\xef\xbb")
        write.write(b"\xbf" + EVENT % 0 + b"\xef\xbb\xbf")
        write.close()
        source.join()
    first, *_ = behind.kept()
    wanted = {"events": {"n": 0}, "json": {"type": "t", "data": {"n": 0}}}
    assert first["data"] == wanted.get(kind, {"message": (EVENT % 0).decode().rstrip()})


# --- A Unix socket.


def socket_settings(tmp_path: Path, **more: Any) -> tuple[IntakeSettings, str]:
    path = str(tmp_path / "intake.sock")
    return IntakeSettings(
        socket={"path": path, **more} if more else path, tokens=["fake-token"]
    ), path


def test_lines_over_a_socket_are_taken_as_they_come_and_answered_at_their_end(
    behind: Intake, tmp_path: Path
) -> None:
    settings, path = socket_settings(tmp_path)
    (source,) = sources(settings)
    with running(source, behind) as run, connected(path) as client:
        client.sendall(EVENT % 0)
        run.until(1)
        client.sendall(b"no event\n" + EVENT % 1 + (EVENT % 2).rstrip())
        client.shutdown(socket.SHUT_WR)
        assert json.loads(client.recv(65536)) == {"accepted": 4, "unreadable": 1}
        assert client.recv(1) == b""
    assert len(behind.kept()) == 4
    assert not Path(path).exists()


def test_a_stop_in_the_midst_of_a_fast_stream_tells_how_much_is_on_disk(
    behind: Intake, tmp_path: Path
) -> None:
    settings, path = socket_settings(tmp_path)
    (source,) = sources(settings)
    behind.failing = Full("full", 0.05)
    with running(source, behind) as it, connected(path) as client:
        client.setblocking(False)
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < 0.5:  # all that anybody would hold for it
            try:
                client.send((EVENT % 0) * 1000)
                quiet_since = time.monotonic()
            except BlockingIOError:
                time.sleep(0.01)
        stopping = threading.Thread(target=it.stop)
        stopping.start()
        wait_for(lambda: not Path(path).exists())
        behind.failing = None
        client.setblocking(True)
        client.settimeout(60)
        answer = json.loads(client.recv(1000))
        stopping.join()
    kept = len(behind.kept())
    assert kept > 20_000
    assert answer["accepted"] + answer["unreadable"] == kept


def test_a_writer_that_closes_without_reading_an_answer_loses_nothing(
    behind: Intake, tmp_path: Path
) -> None:
    settings, path = socket_settings(tmp_path)
    (source,) = sources(settings)
    with running(source, behind) as run, connected(path) as client:
        for n in range(3000):
            client.sendall(EVENT % n)
            if n % 100 == 0:
                time.sleep(0.01)
        client.close()
        assert len(run.until(3000)) == 3000


@pytest.mark.parametrize("size", [1, 3000])
def test_http_over_a_socket_needs_no_token(behind: Intake, tmp_path: Path, size: int) -> None:
    settings, path = socket_settings(tmp_path)
    (source,) = sources(settings)
    body = b"".join(EVENT % n for n in range(size))
    head = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nContent-Length: %d\r\n\r\n"
    with running(source, behind), connected(path) as client:
        for _ in range(2):  # on one connection
            client.sendall(head % len(body) + body)
            answer = client.recv(65536)
            assert answer.startswith(b"HTTP/1.1 202 ")
            while b"]}\n" not in answer:
                answer += client.recv(65536)
            assert f'"accepted":{size}'.encode() in answer
    assert len(behind.kept()) == 2 * size


def test_a_socket_that_says_nothing_is_closed(behind: Intake, tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    (source,) = sources(IntakeSettings(socket=path, limits={"header_seconds": 0.2}))
    with running(source, behind), connected(path) as client:
        assert client.recv(1) == b""


@pytest.mark.parametrize("mode", ["0600", "660", "0666"])
def test_the_mode_of_its_file(behind: Intake, tmp_path: Path, mode: str) -> None:
    settings, path = socket_settings(tmp_path, mode=mode)
    (source,) = sources(settings)
    with running(source, behind), connected(path):
        assert stat.S_IMODE(Path(path).stat().st_mode) == int(mode, 8)


@pytest.mark.parametrize("mode", [432, 660, "999", "u+rw", "07777"])
def test_a_mode_that_is_none(mode: Any) -> None:
    with pytest.raises(WebhookConfigError, match="as for chmod, in quotes"):
        IntakeSettings(socket={"path": "/s", "mode": mode})


def test_a_stale_file_is_replaced(behind: Intake, tmp_path: Path) -> None:
    settings, path = socket_settings(tmp_path)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    (source,) = sources(settings)
    with running(source, behind) as run, connected(path) as client:
        assert stat.S_IMODE(Path(path).stat().st_mode) == 0o660
        client.sendall(EVENT % 0)
        run.until(1)


def test_a_living_socket_and_what_is_none_are_left_alone(behind: Intake, tmp_path: Path) -> None:
    settings, path = socket_settings(tmp_path)
    (source,) = sources(settings)
    with socket.socket(socket.AF_UNIX) as living:
        living.bind(path)
        living.listen()
        with (
            pytest.raises(WebhookConfigError, match="another program"),
            running(source, behind) as run,
        ):
            run.join()
    Path(path).unlink()
    Path(path).write_text("precious")
    with pytest.raises(WebhookConfigError, match="no socket"), running(source, behind) as run:
        run.join()
    assert Path(path).read_text() == "precious"


def test_a_path_too_long(behind: Intake) -> None:
    (source,) = sources(IntakeSettings(socket="/tmp/" + "x" * 200))
    with pytest.raises(WebhookConfigError, match="too long"), running(source, behind) as run:
        run.join()


def sent(source: Any, behind: Intake, path: str, *parts: bytes) -> Any:
    with running(source, behind), connected(path) as client:
        for part in parts:
            client.sendall(part)
        client.shutdown(socket.SHUT_WR)
        with client.makefile("rb") as file:
            return json.loads(file.read())


@pytest.mark.parametrize(
    "garbage", [b"no event\n", b"ABC\n", b"\x16\x03\x01\n", b"OK", b"get / x\n"]
)
def test_a_stream_that_begins_with_garbage_is_one_all_the_same(
    behind: Intake, tmp_path: Path, garbage: bytes
) -> None:
    settings, path = socket_settings(tmp_path)
    (source,) = sources(settings)
    more = [EVENT % 0] if garbage.endswith(b"\n") else []
    said = sent(source, behind, path, garbage, *more)
    assert said == {"accepted": 1 + len(more), "unreadable": 1}
    assert behind.kept()[0]["data"]["text"] == garbage.decode().rstrip("\n")


def test_a_request_that_comes_byte_by_byte(behind: Intake, tmp_path: Path) -> None:
    settings, path = socket_settings(tmp_path)
    (source,) = sources(settings)
    request = b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with running(source, behind), connected(path) as client, client.makefile("rb") as file:
        for at in range(len(request)):
            client.sendall(request[at : at + 1])
        assert file.readline() == b"HTTP/1.1 404 Not Found\r\n"


def test_a_socket_of_texts_takes_all_as_text(behind: Intake, tmp_path: Path) -> None:
    settings, path = socket_settings(tmp_path, **{"as": "text", "type": "app_log"})
    (source,) = sources(settings)
    lines = ["  indented", "POST /v1/events HTTP/1.1", "", "Host: x", "{", "last"]
    said = sent(source, behind, path, "\n".join(lines).encode())
    assert said == {"accepted": 5, "unreadable": 0}
    assert [event["data"]["message"] for event in behind.kept()] == [line for line in lines if line]


def test_many_streams_that_wait_say_so_once(
    behind: Intake, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    settings, path = socket_settings(tmp_path)
    (source,) = sources(settings)
    behind.failing = OutboxError("disk full")
    with running(source, behind) as run, ExitStack() as stack:
        clients = [stack.enter_context(connected(path)) for _ in range(20)]
        for number, client in enumerate(clients):
            client.sendall(EVENT % number)
        wait_for(lambda: "reading waits" in caplog.text)
        wait_for(lambda: sum(bool(task) for task in source._streams) == 20)
        behind.failing = None
        run.until(20)
    assert caplog.text.count("reading waits") == 1
    assert caplog.text.count("events are taken again") == 1


def test_more_connections_than_there_may_be_are_told_so(behind: Intake, tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    (source,) = sources(IntakeSettings(socket=path, limits={"connections": 3}))
    with running(source, behind) as run, ExitStack() as stack:
        clients = [stack.enter_context(connected(path)) for _ in range(3)]
        for number, client in enumerate(clients):
            client.sendall(EVENT % number)
        run.until(3)
        with connected(path) as more:
            assert json.loads(more.recv(1000)) == {"error": "too many connections"}
            assert more.recv(1) == b""
        clients[0].close()
        wait_for(lambda: len(source._streams) == 2)
        with connected(path) as again:
            again.sendall(EVENT % 3)
            run.until(4)


# --- Lines that take long.


@pytest.fixture
def slow_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five milliseconds pass between two looks at the clock."""
    ticks = iter(range(10**9))
    monkeypatch.setattr(line_reader, "perf_counter", lambda: next(ticks) / 200)


BLOCK = b"no event\n" * 600 + (EVENT % 7) * 600 + b"nor this\n" * 600
COUNT = 1_800


def is_as_it_was(events: list[dict[str, Any]]) -> bool:
    bad = [event["data"]["text"] for event in events if event["type"] == "unreadable_line"]
    places = [event["data"]["byte"] for event in events if event["type"] == "unreadable_line"]
    good = [event["data"] for event in events[600:1_200]]
    return (
        len(events) == COUNT
        and bad == ["no event"] * 600 + ["nor this"] * 600
        and all(BLOCK[at:].startswith(text.encode()) for at, text in zip(places, bad, strict=True))
        and good == [{"n": 7}] * 600
    )


@pytest.mark.usefixtures("slow_reading")
def test_a_block_of_bad_lines_is_read_piece_by_piece_and_others_have_their_turn(
    behind: Intake,
) -> None:
    puts: list[int] = []

    class Counting:
        async def __call__(self, entries: Any, **more: Any) -> Any:
            puts.append(len(entries))
            return await behind(entries, **more)

        async def turn(self) -> None:
            pass

    async def taken() -> Stream:
        stream = Stream(LineReader(LineSettings(), IntakeLimits(), "stdin"))
        stream.add(BLOCK)
        assert stream.held == COUNT
        await stream.put(Feed(Counting(), "stdin"))
        return stream

    stream = asyncio.run(taken())
    assert (stream.count, stream.held) == (COUNT, 0)
    assert is_as_it_was(behind.kept())
    assert len(puts) > 2
    assert max(puts) <= 5 * (line_reader._PIECE // 9 + 1), "what 20 ms are for, of 9 bytes each"


@pytest.mark.usefixtures("slow_reading")
def test_a_followed_block_is_kept_in_one_step_and_others_have_their_turn_meanwhile() -> None:
    async def read() -> tuple[int, list[Any]]:
        reading = asyncio.ensure_future(
            LineReader(LineSettings(), IntakeLimits(), "file").all(BLOCK)
        )
        turns = 0
        while not reading.done():
            turns += 1
            await asyncio.sleep(0)
        return turns, list(await reading)

    turns, entries = asyncio.run(read())
    assert turns > 2
    assert is_as_it_was([json.loads(line) for line in Parcel.of(entries).body.splitlines()])


def test_lines_that_are_well_are_read_at_once() -> None:
    entries, used = LineReader(LineSettings(), IntakeLimits(), "stdin").read((EVENT % 7) * 20_000)
    assert isinstance(entries, Lines)
    assert (len(entries), used) == (20_000, len(EVENT % 7) * 20_000)
