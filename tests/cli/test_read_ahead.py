from __future__ import annotations

import asyncio
import gzip
import os
import random
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from vaulytica.cli.input.read_ahead import ReadAhead, Turns, fed, open_inputs
from vaulytica.cli.input.reading import Chunk


def one(n: int) -> Chunk:
    return Chunk("f", n, [n], None, 1)


async def next_of(ahead: ReadAhead):
    return await asyncio.wait_for(anext(ahead, None), 60)


def test_it_ends_whenever_its_reader_does():
    async def take_all(count: int) -> int:
        taken = 0
        async for _ in ReadAhead((one(n) for n in range(count)), 4):
            taken += 1
            await asyncio.sleep(0)
        return taken

    async def main() -> None:
        for n in range(300):
            assert await asyncio.wait_for(take_all(n % 13), 60) == n % 13

    asyncio.run(main())


@pytest.mark.parametrize(("size", "most"), [(1, 4), (3, 1), (100, 1)])
def test_it_reads_only_so_far_ahead(size, most):
    read = []

    def endless():
        for n in range(50):
            read.append(n)
            yield Chunk("f", n, [n], None, size)

    async def main() -> None:
        ahead = ReadAhead(endless(), 4)
        for n in range(50):
            assert (await next_of(ahead)).entries == [n]
            assert len(read) <= n + 1 + most + 1  # and one that waits for room
        assert await next_of(ahead) is None

    asyncio.run(main())


def test_no_reader_and_no_waiter_miss_each_other():
    """Every way of taking turns: the reader, the loop, and the end of the input at any moment."""

    def reluctant(count: int, seed: int):
        chance = random.Random(seed)
        for n in range(count):
            if chance.random() < 0.3:
                time.sleep(chance.random() / 2000)
            yield one(n)

    async def take_all(count: int, seed: int) -> list[int]:
        ahead = ReadAhead(reluctant(count, seed), 3)
        taken = []
        async for chunk in ahead:
            taken += chunk.entries
            for _ in range(seed % 4):
                await asyncio.sleep(0)
        assert await anext(ahead, None) is None  # as often as one asks
        return taken

    async def main() -> None:
        for seed in range(200):
            count = seed % 11
            assert await asyncio.wait_for(take_all(count, seed), 60) == list(range(count))

    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        asyncio.run(main())
    finally:
        sys.setswitchinterval(usual)


def test_a_waiter_that_was_cancelled_loses_nothing():
    more = threading.Event()

    def late():
        more.wait(5)
        yield one(1)

    async def main() -> None:
        ahead = ReadAhead(late(), 4)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(ahead), 0.01)
        more.set()
        assert await next_of(ahead) == one(1)
        assert await next_of(ahead) is None

    asyncio.run(main())


def test_what_broke_the_reading_is_raised():
    def broken():
        yield one(1)
        raise ZeroDivisionError

    async def main() -> None:
        ahead = ReadAhead(broken(), 4)
        assert await anext(ahead)
        with pytest.raises(ZeroDivisionError):
            await anext(ahead)

    asyncio.run(main())


def by_whom(count: int, readers: list[str]):
    for n in range(count):
        readers.append(threading.current_thread().name)
        yield one(n)


@pytest.mark.parametrize("at_hand", [0, 1, 3, 5, 6])
def test_what_is_at_hand_is_read_here_and_the_rest_by_a_thread(at_hand):
    readers: list[str] = []
    answers = iter([True] * at_hand + [False])

    async def main() -> list[int]:
        chunks = fed(by_whom(5, readers), lambda: next(answers))
        return [entry async for chunk in chunks for entry in chunk.entries]

    assert asyncio.run(main()) == list(range(5))
    here = min(at_hand, 5)
    assert readers == ["MainThread"] * here + ["reader"] * (5 - here)


def test_others_have_their_turn_where_there_are_no_entries():
    async def main() -> int:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        blank = (Chunk("f", n, [], [], 1) for n in range(20))
        assert [chunk async for chunk in fed(blank, lambda: True)]
        task.cancel()
        return turns

    assert asyncio.run(main()) >= 20


def can_tell(path: Path) -> bool:
    """Whether this file system says what is in memory."""
    with path.open("rb") as file:
        try:
            return os.preadv(file.fileno(), [bytearray(1)], 0, os.RWF_NOWAIT) == 1
        except (AttributeError, OSError):
            return False


def test_files_in_memory_are_at_hand_up_to_what_may_keep_us_waiting(tmp_path):
    first, second = tmp_path / "1.ndjson", tmp_path / "2.ndjson"
    for path in (first, second):
        path.write_bytes(b'{"type":"a"}\n' * 50_000)
    told = can_tell(first) and can_tell(second)
    reading, writing = os.pipe()
    with ExitStack() as stack, os.fdopen(reading, "rb") as pipe, os.fdopen(writing, "wb"):
        inputs = [*open_inputs([str(first), str(second)], stack), ("pipe", pipe)]
        turns = Turns(inputs)
        read = iter(turns)
        assert next(read)[0] == str(first)
        assert turns.are_at_hand() is told
        inputs[0][1].read()
        assert turns.are_at_hand() is told  # at its end, too
        assert next(read)[0] == str(second)
        assert turns.are_at_hand() is False  # for the pipe, which follows
        assert next(read)[0] == "pipe"
        assert turns.are_at_hand() is False


def test_an_empty_file_is_at_hand(tmp_path):
    (tmp_path / "full").write_bytes(b"x")
    (tmp_path / "empty").write_bytes(b"")
    with ExitStack() as stack:
        turns = Turns(open_inputs([str(tmp_path / "empty")], stack))
        assert turns.are_at_hand() is can_tell(tmp_path / "full")


@pytest.mark.parametrize(
    "text", [b"", b"\xef\xbb\xbf", b"[]\n", gzip.compress(b"", mtime=0)], ids=range(4)
)
def test_what_follows_a_file_without_events_is_looked_at_too(tmp_path, text):
    full, empty = tmp_path / "full", tmp_path / "empty"
    full.write_bytes(b'{"type":"a"}\n' * 100)
    empty.write_bytes(text)
    reading, writing = os.pipe()
    with ExitStack() as stack, os.fdopen(reading, "rb") as pipe, os.fdopen(writing, "wb"):
        names = [str(full), str(empty)]
        before_pipe = Turns([*open_inputs(names, stack), ("pipe", pipe)])
        assert before_pipe.are_at_hand() is False  # else reading on would wait for the pipe
        before_file = Turns([*open_inputs([*names, str(full)], stack), ("pipe", pipe)])
        assert before_file.are_at_hand() is can_tell(full)
