from __future__ import annotations

import asyncio
import random
import sys
import threading
import time

import pytest

from vaulytica.cli.feed import Feed
from vaulytica.cli.reading import Chunk


def one(n: int) -> Chunk:
    return Chunk("f", n, [n], None, 1)


async def next_of(feed: Feed):
    return await asyncio.wait_for(anext(feed, None), 60)


def test_the_feed_ends_whenever_its_reader_does():
    async def take_all(count: int) -> int:
        taken = 0
        async for _ in Feed((one(n) for n in range(count)), 4):
            taken += 1
            await asyncio.sleep(0)
        return taken

    async def main() -> None:
        for n in range(300):
            assert await asyncio.wait_for(take_all(n % 13), 60) == n % 13

    asyncio.run(main())


@pytest.mark.parametrize(("size", "most"), [(1, 4), (3, 1), (100, 1)])
def test_the_feed_reads_only_so_far_ahead(size, most):
    read = []

    def endless():
        for n in range(50):
            read.append(n)
            yield Chunk("f", n, [n], None, size)

    async def main() -> None:
        feed = Feed(endless(), 4)
        for n in range(50):
            assert (await next_of(feed)).entries == [n]
            assert len(read) <= n + 1 + most + 1  # and one that waits for room
        assert await next_of(feed) is None

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
        feed = Feed(reluctant(count, seed), 3)
        taken = []
        async for chunk in feed:
            taken += chunk.entries
            for _ in range(seed % 4):
                await asyncio.sleep(0)
        assert await anext(feed, None) is None  # as often as one asks
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
        feed = Feed(late(), 4)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(feed), 0.01)
        more.set()
        assert await next_of(feed) == one(1)
        assert await next_of(feed) is None

    asyncio.run(main())


def test_what_the_feed_raises():
    def broken():
        yield one(1)
        raise ZeroDivisionError

    async def main() -> None:
        feed = Feed(broken(), 4)
        assert await anext(feed)
        with pytest.raises(ZeroDivisionError):
            await anext(feed)

    asyncio.run(main())
