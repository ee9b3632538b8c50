"""The steps of `Once` for asyncio: in a thread, and to their end, also where who waits is cancelled meanwhile."""

from __future__ import annotations

import asyncio

from vaulytica.receiving.replays import Handling, Once
from vaulytica.receiving.verification import Verified


async def begin(once: Once, verified: Verified) -> Handling:
    """See `Once.begin`. A claim that nobody waits for any more is given back."""
    claiming = asyncio.create_task(asyncio.to_thread(once.begin, verified))
    try:
        return await asyncio.shield(claiming)
    except asyncio.CancelledError:
        claiming.add_done_callback(_give_back)
        raise


async def end(handling: Handling, *, is_done: bool) -> None:
    """See `Handling`."""
    note = handling.done if is_done else handling.failed
    await asyncio.shield(asyncio.create_task(asyncio.to_thread(note)))


def _give_back(claiming: asyncio.Task[Handling]) -> None:
    if not claiming.cancelled() and claiming.exception() is None:
        claiming.get_loop().run_in_executor(None, claiming.result().failed)
