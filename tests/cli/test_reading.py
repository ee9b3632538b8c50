from __future__ import annotations

import asyncio
import io
import json
import random
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaulytica.cli.feed import Feed
from vaulytica.cli.output import masked_target, visible
from vaulytica.cli.reading import Bad, Entry, read_entries

HUGE, DIGITS = "7" * 5000, "an integer has more than 4300 digits"


def entries(text: str | bytes, limit: int = 1000):
    data = text.encode() if isinstance(text, str) else text
    return list(read_entries(io.BufferedReader(io.BytesIO(data)), "f", limit))


def brief(text: str | bytes, limit: int = 1000):
    """Per entry its line, and its value or the beginning of what is wrong."""
    return [
        (e.line, e.value if isinstance(e, Entry) else e.why.split(":")[0])
        for e in entries(text, limit)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\r\n", []),
        ("[]", []),
        ("1\n\nnull", [(1, 1), (3, None)]),
        ('{"a":\n{"b":1}\n{"c":1}', [(1, "not valid JSON"), (2, {"b": 1}), (3, {"c": 1})]),
        ('{"a":[\n{"b":1}\n]}', [(1, {"a": [{"b": 1}]})]),
        ('{\n"a":1}\n\n{\n"b":2\n}', [(1, {"a": 1}), (4, {"b": 2})]),
        ('{"a":1, \n"b":2}\n{"c":3}', [(1, {"a": 1, "b": 2}), (3, {"c": 3})]),
        ('{"a":1,\n"b":2}\n', [(1, {"a": 1, "b": 2})]),
        ('{"a":\n1}\n', [(1, {"a": 1})]),
        ('{"a":1\n}\n', [(1, {"a": 1})]),
        ('{\n"a":1,\n"b"\n}', [(4, "not valid JSON")]),
        ('{"a":1} x\n2', [(1, "not valid JSON"), (2, 2)]),
        ('[{"a":1},\n{"b":\n2}\n]', [(1, {"a": 1}), (2, {"b": 2})]),
        ('[{"a":1},\n{b},{}]', [(1, {"a": 1}), (2, "not valid JSON")]),
        ('[{"a":1},\n\n{"x":\n1,\nb},\n\n{}]', [(1, {"a": 1}), (5, "not valid JSON")]),
        ('[{"a":1}', [(1, {"a": 1}), (1, "the array does not end")]),
        ("[1]\n2", [(1, 1), (2, "something follows after the array")]),
        ("[" * 99999, [(1, "nested too deep; what follows cannot be read")]),
        ('{"a":' * 99999, [(1, "the line is longer than 1000 bytes")]),
        (b"[1,\n\xff]", [(1, "not UTF-8")]),
        ("[1\n2, 3]", [(1, 1), (2, "no comma before this value"), (2, 3)]),
        ("[{}{},{}]", [(1, {}), (1, "no comma before this value"), (1, {})]),
        (" " * 2000 + "{}\n1", [(1, "the line is longer than 1000 bytes"), (2, 1)]),
    ],
)
def test_entries(text, expected):
    assert brief(text) == expected


def test_limits():
    long = json.dumps({"a": "x" * 93})  # 101 bytes
    assert brief(f'{long[:-3]}"}}\r\n{long}\n7', 100)[1:] == [
        (2, "the line is longer than 100 bytes"), (3, 7)
    ]  # fmt: skip
    assert brief(f"[{long},7]", 100) == [(1, "a value is longer than 100 bytes"), (1, 7)]
    assert brief("[" + '{"a":' * 99 + '"' + "x" * 999, 100)[0][1].startswith("a value is longer")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{HUGE}\n1", [(1, DIGITS), (2, 1)]),
        (f"[{HUGE},\n{{}}]", [(1, DIGITS), (2, {})]),
        (f'[{{"a":[{HUGE},\n1]}},{{}}]', [(1, DIGITS), (2, {})]),
        (f'{{\n"a":{HUGE}}}\n{{}}', [(1, DIGITS), (3, {})]),
        (f"[{HUGE}", [(1, DIGITS), (1, "the array does not end")]),
        (f'[{{"a":{HUGE}', [(1, "not valid JSON")]),
    ],
)
def test_integers_that_python_does_not_read(text, expected):
    assert brief(text, 10_000) == expected


def test_a_number_where_a_block_ends_is_one_number():
    class Pieces(io.RawIOBase):
        def __init__(self):
            self.pieces = [b"[12", b"34,tr", b"ue,5", b".5]"]

        def readable(self):
            return True

        def readinto(self, buffer):
            piece = self.pieces.pop(0) if self.pieces else b""
            buffer[: len(piece)] = piece
            return len(piece)

    read = read_entries(io.BufferedReader(Pieces()), "f")
    assert [entry.value for entry in read] == [1234, True, 5.5]


def test_a_line_that_never_ends():
    class Endless(io.RawIOBase):
        given = 0

        def readable(self):
            return True

        def readinto(self, buffer):
            buffer[:] = bytes(len(buffer))
            self.given += len(buffer)
            assert self.given < 2**28, "it is read for ever"
            return len(buffer)

    (bad,) = read_entries(io.BufferedReader(Endless()), "f", 1000)
    assert bad == Bad("f", 1, "the line does not end; the rest of f is not read")


@given(
    st.lists(st.dictionaries(st.text(), st.integers() | st.text() | st.none())), st.integers(0, 4)
)
def test_every_way_of_writing_reads_the_same(values, indent):
    lines = "\n".join(map(json.dumps, values))
    array = json.dumps(values, indent=indent or None, ensure_ascii=False)
    for text in (lines, array):
        read = entries(text, limit=2**20)
        assert [e.value for e in read if isinstance(e, Entry)] == values


@given(st.binary())
def test_garbage_never_raises(data):
    for entry in entries(data) + entries(b"[" + data) + entries(b"{\n" + data):
        assert isinstance(entry, Entry | Bad)


def test_the_feed_ends_whenever_its_reader_does():
    async def take_all(count: int) -> int:
        feed = Feed((Entry("f", n, n) for n in range(count)), 4)
        taken = 0
        while chunk := await feed.next():
            assert len(chunk) <= 4
            taken += len(chunk)
            await asyncio.sleep(0)
        return taken

    async def main() -> None:
        for n in range(300):
            assert await asyncio.wait_for(take_all(n % 13), 5) == n % 13

    asyncio.run(main())


def test_no_reader_and_no_waiter_miss_each_other():
    """Every way of taking turns: the reader, the loop, and the end of the input at any moment."""

    def reluctant(count: int, seed: int):
        chance = random.Random(seed)
        for n in range(count):
            if chance.random() < 0.3:
                time.sleep(chance.random() / 2000)
            yield Entry("f", n, n)

    async def take_all(count: int, seed: int) -> list[int]:
        feed = Feed(reluctant(count, seed), 3)
        taken = []
        while chunk := await feed.next():
            taken += [entry.line for entry in chunk]
            for _ in range(seed % 4):
                await asyncio.sleep(0)
        assert await feed.next() == []  # as often as one asks
        return taken

    async def main() -> None:
        for seed in range(200):
            count = seed % 11
            assert await asyncio.wait_for(take_all(count, seed), 5) == list(range(count))

    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        asyncio.run(main())
    finally:
        sys.setswitchinterval(usual)


def test_a_waiter_that_was_cancelled_loses_nothing():
    more = threading.Event()

    def entries():
        more.wait(5)
        yield Entry("f", 1, 1)

    async def main() -> None:
        feed = Feed(entries(), 4)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(feed.next(), 0.01)
        more.set()
        assert await asyncio.wait_for(feed.next(), 5) == [Entry("f", 1, 1)]
        assert await asyncio.wait_for(feed.next(), 5) == []

    asyncio.run(main())


def test_what_the_feed_raises():
    def broken():
        yield Entry("f", 1, 1)
        raise ZeroDivisionError

    async def main() -> None:
        feed = Feed(broken(), 4)
        assert await feed.next()
        with pytest.raises(ZeroDivisionError):
            await feed.next()

    asyncio.run(main())


def test_what_is_shown():
    assert visible("a\x1b[31m\u202e\x00\n\té") == "a\\u001b[31m\\u202e\\u0000\n\té"
    assert masked_target("https://h/a/0123456789abcdef0/short1?x=1&y") == "/a/***/short1?x=***&***"
    assert masked_target("https://h") == "/"


@pytest.mark.parametrize(
    "token",
    ["CANARYSECRETxyz", "abcdefghi1", "abcdefghiJ", "123456789a", "a" * 20, "-" * 20, "1" * 20],
)
def test_path_segments_that_may_be_tokens_are_masked(token):
    assert masked_target(f"https://h/services/T000/{token}/x") == "/services/T000/***/x"


@pytest.mark.parametrize(
    "path",
    [
        "/services/collector/event",
        "/servicesNS/nobody/search",
        "/security_events/_bulk",
        "/api/v2/logs",
        "/abcdefgh1",
        "/aaaaaaaaaaaaaaaaaaa",
    ],
)
def test_plain_words_of_a_path_stay_readable(path):
    assert masked_target(f"https://h{path}") == path
