"""What only the async sender can meet: cancellation, several loops, and uvloop."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest
import trustme
import uvloop

from support.behaviours import Crowd, silent
from support.drivers import config_for
from support.faulty import OK, Faulty, Line, http, replies
from support.tls import server_tls
from vaulytica.integrations.webhook import (
    AsyncWebhookSender,
    WebhookAuth,
    WebhookError,
    WebhookRetryConfig,
)

Serve = Callable[..., Faulty]


async def until(condition: Callable[[], Any]) -> None:
    """Let the loop run until it holds; a test that waits in vain is ended by the time-out below."""
    async with asyncio.timeout(25):
        while not condition():
            await asyncio.sleep(0.005)


def others() -> set[asyncio.Task[Any]]:
    return asyncio.all_tasks() - {asyncio.current_task()}


def silent_at_first(well: int) -> Callable[[Line], None]:
    """The first `well` connections are never answered, the later ones always."""
    return lambda line: (silent if line.number <= well else replies(OK))(line)


def test_a_cancelled_send_event_leaves_nothing_behind(serve: Serve) -> None:
    server = serve(silent_at_first(1))

    async def main() -> None:
        async with AsyncWebhookSender(config_for(server.url, timeout=30)) as sender:
            send = asyncio.create_task(sender.send_event("file_shared", {}))
            await until(lambda: server.arrived)
            send.cancel()
            with pytest.raises(asyncio.CancelledError):
                await send
            assert others() == set()
            assert await sender.send_event("file_shared", {})

    asyncio.run(main())
    assert len(server.arrived) == 2


def test_a_cancelled_send_batch_leaves_nothing_behind(serve: Serve) -> None:
    server = serve(silent_at_first(4))
    heard: list[Any] = []

    async def main() -> None:
        config = config_for(server.url, timeout=30, concurrency=4)
        async with AsyncWebhookSender(config) as sender:
            events = [{"type": "file_shared"}] * 50
            batch = asyncio.create_task(sender.send_batch(events, on_result=heard.append))
            await until(lambda: len(server.arrived) == 4)
            batch.cancel()
            with pytest.raises(asyncio.CancelledError):
                await batch
            assert others() == set()
            await asyncio.sleep(0.05)
            assert (len(server.arrived), heard) == (4, [])
            assert await sender.send_batch(events) == 50

    asyncio.run(main())
    assert len(server.arrived) == 54


def test_a_time_out_of_the_callers_own_ends_the_wait_before_a_retry(serve: Serve) -> None:
    server = serve(replies(http(503), OK))
    retry = WebhookRetryConfig(max_retries=1, initial_delay=60, jitter=False)

    async def main() -> None:
        async with AsyncWebhookSender(config_for(server.url, retry_config=retry)) as sender:
            send = asyncio.create_task(sender.send_event("file_shared", {}))
            await until(lambda: server.arrived)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(send, 0.2)
            assert others() == set()
            assert await sender.send_event("file_shared", {})

    asyncio.run(main())


def test_cancelling_the_one_who_fetches_the_token_lets_the_next_fetch_it(serve: Serve) -> None:
    tokens = serve(
        lambda line: (
            silent(line)
            if line.number == 1
            else replies(http(200, b'{"access_token": "fake", "expires_in": 600}'))(line)
        )
    )
    server = serve(replies(OK))
    auth = WebhookAuth(
        auth_type="oauth2",
        oauth2_token_url=tokens.url,
        oauth2_client_id="robot",
        oauth2_client_secret="obviously-fake",
    )

    async def main() -> None:
        async with AsyncWebhookSender(config_for(server.url, auth=auth, timeout=30)) as sender:
            first = asyncio.create_task(sender.send_event("file_shared", {}))
            await until(lambda: tokens.arrived)
            waiting = [asyncio.create_task(sender.send_event("t", {})) for _ in range(5)]
            await asyncio.sleep(0.05)
            first.cancel()
            assert await asyncio.gather(*waiting) == [True] * 5

    asyncio.run(main())
    assert (len(tokens.arrived), len(server.arrived)) == (2, 5)


def test_many_tasks_share_one_sender(serve: Serve) -> None:
    crowd = Crowd(50)
    server = serve(crowd)

    async def main() -> list[bool]:
        async with AsyncWebhookSender(config_for(server.url, timeout=60)) as sender:
            return await asyncio.gather(*(sender.send_event("t", {"n": n}) for n in range(100)))

    assert asyncio.run(main()) == [True] * 100
    assert crowd.most >= 50
    assert len(set(server.bodies)) == 100


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_one_sender_serves_two_loops_one_after_the_other(
    tls: bool, serve: Serve, ca: trustme.CA, trusted: None
) -> None:
    """As under pytest-asyncio, or a job that calls asyncio.run each time; nothing is left to warn of."""
    server = serve(replies(OK), tls=server_tls(ca) if tls else None)
    tokens = serve(replies(http(200, b'{"access_token": "fake", "expires_in": 600}')))
    auth = WebhookAuth(
        auth_type="oauth2",
        oauth2_token_url=tokens.url,
        oauth2_client_id="robot",
        oauth2_client_secret="obviously-fake",
    )
    sender = AsyncWebhookSender(config_for(server.url, auth=auth))

    async def main(last: bool) -> None:
        assert await sender.send_event("file_shared", {})
        assert await sender.send_batch([{"type": "file_shared"}] * 20) == 20
        if last:
            await sender.aclose()

    asyncio.run(main(last=False))
    gc.collect()
    asyncio.run(main(last=True))
    gc.collect()
    assert (len(server.arrived), len(tokens.arrived)) == (42, 1)


def test_a_sender_made_on_one_loop_may_be_closed_on_another(serve: Serve) -> None:
    server = serve(replies(OK))
    sender = AsyncWebhookSender(config_for(server.url))
    assert asyncio.run(sender.send_event("file_shared", {}))
    asyncio.run(sender.aclose())
    gc.collect()
    with pytest.raises(WebhookError, match="closed"):
        asyncio.run(sender.send_event("file_shared", {}))


def test_a_sender_never_used_can_be_closed() -> None:
    asyncio.run(AsyncWebhookSender(config_for("https://siem.example.com/")).aclose())


def test_closing_while_requests_are_in_flight_ends_them(serve: Serve) -> None:
    server = serve(silent)

    async def main() -> list[object]:
        sender = AsyncWebhookSender(config_for(server.url, timeout=30))
        sends = [asyncio.create_task(sender.send_event("t", {})) for _ in range(3)]
        await until(lambda: len(server.arrived) == 3)
        await sender.aclose()
        async with asyncio.timeout(25):
            return await asyncio.gather(*sends, return_exceptions=True)

    results = asyncio.run(main())
    assert all(isinstance(r, (WebhookError, asyncio.CancelledError)) for r in results), results


def test_uvloop(serve: Serve) -> None:
    crowd = Crowd(8)
    server = serve(crowd)
    stalling = serve(silent)

    async def main() -> None:
        assert type(asyncio.get_running_loop()).__module__.startswith("uvloop")
        async with AsyncWebhookSender(config_for(server.url)) as sender:
            assert await sender.send_batch([{"type": "file_shared"}] * 24) == 24
            assert await sender.test_connection()
        async with AsyncWebhookSender(config_for(stalling.url, timeout=0.2)) as sender:
            with pytest.raises(WebhookError, match="no whole answer in time"):
                await sender.send_event("file_shared", {})
            send = asyncio.create_task(sender.send_event("file_shared", {}))
            await asyncio.sleep(0.05)
            send.cancel()
            with pytest.raises(asyncio.CancelledError):
                await send

    uvloop.run(main())
    gc.collect()
    assert crowd.most == 8
