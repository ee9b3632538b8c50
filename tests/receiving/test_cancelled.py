"""Who waits for an answer may be cancelled at any moment: what was handled is noted, and no claim is left."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import fastapi
import pytest

from support.signing import signed, whsec
from vaulytica.receiving import MemorySeenIds, Seen
from vaulytica.receiving.asgi import SignatureASGIMiddleware
from vaulytica.receiving.fastapi import signed as signed_by

KEY = whsec("key")
BODY = b'{"a":1}'
NAME = "standard_webhooks e-1"
PATIENCE = 60.0  # seconds; a machine that is shared may stall
LEASE = 3600.0  # seconds; no claim lapses here


class Slow(MemorySeenIds):
    """Waits in `claim`, after it is made, until it may go on."""

    def __init__(self) -> None:
        super().__init__()
        self.claimed, self.go_on = threading.Event(), threading.Event()

    def claim(self, id: str, token: str, until: float) -> Seen:
        found = super().claim(id, token, until)
        self.claimed.set()
        assert self.go_on.wait(PATIENCE)
        return found


class One(ThreadPoolExecutor):
    """One thread, and how often something was given to it."""

    def __init__(self) -> None:
        super().__init__(1)
        self.given = 0

    def submit(self, *arguments: Any, **more: Any) -> Any:
        self.given += 1
        return super().submit(*arguments, **more)


def by_middleware(handle: Callable[[], Awaitable[None]], seen: MemorySeenIds) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await handle()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    return SignatureASGIMiddleware(app, KEY, seen=seen, lease=LEASE)


def by_dependency(handle: Callable[[], Awaitable[None]], seen: MemorySeenIds) -> Any:
    api = fastapi.FastAPI()

    @api.post("/", dependencies=[fastapi.Depends(signed_by(KEY, seen=seen, lease=LEASE))])
    async def hook() -> None:
        await handle()

    return api


guarded = pytest.mark.parametrize("guard", [by_middleware, by_dependency])


def request_to(app: Any) -> asyncio.Task[None]:
    headers = signed("standard_webhooks", KEY, BODY, now=time.time())
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "http_version": "1.1",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
    }

    async def receive() -> Any:
        return {"type": "http.request", "body": BODY}

    async def send(_: Any) -> None:
        pass

    async def run() -> None:
        await app(scope, receive, send)

    return asyncio.create_task(run())


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not is_so():
            await asyncio.sleep(0.005)


async def cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def state(seen: MemorySeenIds) -> Seen:
    """What it knows of the request; where it knew nothing, that is undone."""
    found = MemorySeenIds.claim(seen, NAME, "looks", time.time() + PATIENCE)
    seen.release(NAME, "looks")
    return found


@guarded
def test_cancelled_while_it_is_noted_what_was_handled_is_done(guard: Any) -> None:
    """All threads are busy, so the note has to wait; it does not depend on who waits for it."""
    seen, free = MemorySeenIds(), threading.Event()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        thread = One()
        loop.set_default_executor(thread)

        async def handle() -> None:
            loop.run_in_executor(None, free.wait, PATIENCE)

        task = request_to(guard(handle, seen))
        await until(lambda: thread.given == 3)  # the claim, the wait, and the note
        await cancelled(task)
        assert state(seen) is Seen.CLAIMED
        free.set()
        await until(lambda: state(seen) is Seen.DONE)

    asyncio.run(main())


@guarded
def test_cancelled_while_it_is_claimed_the_claim_is_given_back(guard: Any) -> None:
    seen, handled = Slow(), threading.Event()

    async def main() -> None:
        async def handle() -> None:
            handled.set()

        task = request_to(guard(handle, seen))
        await until(seen.claimed.is_set)
        await cancelled(task)
        assert state(seen) is Seen.CLAIMED
        seen.go_on.set()
        await until(lambda: state(seen) is Seen.NEW)

    asyncio.run(main())
    assert not handled.is_set()


@guarded
def test_cancelled_in_the_handler_it_has_failed(guard: Any) -> None:
    seen, inside = MemorySeenIds(), threading.Event()

    async def main() -> None:
        async def handle() -> None:
            inside.set()
            await asyncio.Event().wait()

        task = request_to(guard(handle, seen))
        await until(inside.is_set)
        await cancelled(task)
        await until(lambda: state(seen) is Seen.NEW)

    asyncio.run(main())


@guarded
def test_a_replay_whose_sender_is_cancelled_changes_nothing(guard: Any) -> None:
    """The store says that it is another's: there is no claim to give back."""
    seen, handled = Slow(), threading.Event()
    MemorySeenIds.claim(seen, NAME, "another", time.time() + PATIENCE)

    async def main() -> None:
        async def handle() -> None:
            handled.set()

        task = request_to(guard(handle, seen))
        await until(seen.claimed.is_set)
        await cancelled(task)
        seen.go_on.set()

    asyncio.run(main())  # which waits for the thread
    assert state(seen) is Seen.CLAIMED
    assert not handled.is_set()
