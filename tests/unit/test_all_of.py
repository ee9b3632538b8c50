"""Several at once: when it is over, none of them is under way."""

from __future__ import annotations

import asyncio

import pytest

from vaulytica.relay.intake.tail.all_of import all_of


class Put:
    """Ends as a put does: not before it is known what became of it."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.begun = self.ended = False

    async def __call__(self) -> int:
        self.begun = True
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            raise
        finally:
            self.ended = True
        return 1


async def wrong() -> int:
    await asyncio.sleep(0)
    raise ValueError("a fault of ours")


def test_what_they_give_in_their_order() -> None:
    async def main() -> list[int]:
        async def one(n: int) -> int:
            await asyncio.sleep(0.01 * (3 - n))
            return n

        return await all_of([one(n) for n in range(3)])

    assert asyncio.run(main()) == [0, 1, 2]


def test_where_one_fails_the_others_have_ended() -> None:
    async def main() -> bool:
        put = Put()
        with pytest.raises(ValueError, match="a fault of ours"):
            await all_of([put(), wrong()])
        return put.ended

    assert asyncio.run(main())


def test_where_all_are_cancelled_they_have_ended() -> None:
    async def main() -> bool:
        puts = [Put(), Put()]
        task = asyncio.create_task(all_of([put() for put in puts]))
        while not all(put.begun for put in puts):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return all(put.ended for put in puts)

    assert asyncio.run(main())
