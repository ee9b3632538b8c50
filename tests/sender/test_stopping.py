"""Streams that end early, by whoever: no event that was read is lost, nothing more is read, sources are closed."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from support.drivers import config_for
from support.faulty import OK, Faulty, http, replies
from support.retries import at_each_wait
from vaulytica.driver import aio_crew
from vaulytica.integrations.webhook import AsyncWebhookSender, Result, WebhookSender

Serve = Callable[..., Faulty]
BATCHES = {"batch": {"max_events": 10, "as": "array", "max_wait": 0.01}}
FILLING = {"batch": {"max_events": 100, "as": "array", "max_wait": 3600}}
Entry = dict[str, Any]


def entry(n: int) -> Entry:
    return {"type": "file_shared", "data": {"n": n}, "id": f"event-{n}"}


def wait_for(what: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.005)


# --- Somebody's task is cancelled, and it is not ours.


async def waits_for_a_cancelled_task() -> AsyncIterator[Entry]:
    yield entry(0)
    inner = asyncio.ensure_future(asyncio.sleep(60))
    inner.cancel()
    await inner


def cancels(_: Result) -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("on_result", [None, cancels])
def test_a_cancelled_error_of_the_callers_code_ends_the_call(
    serve: Serve, on_result: Any, whole: bool
) -> None:
    server = serve(replies(OK))

    async def run() -> None:
        async with AsyncWebhookSender(config_for(server.url, **BATCHES)) as sender:
            source: Any = waits_for_a_cancelled_task() if on_result is None else [entry(0)]
            if whole:
                await sender.send_batch(source, on_result=on_result)
            else:
                await sender.send_stream(source, on_result=on_result).run()

    async def bounded() -> None:
        task = asyncio.ensure_future(run())
        assert await asyncio.wait([task], timeout=60) == ({task}, set()), "it hangs"
        with pytest.raises(
            RuntimeError, match="CancelledError that came from its source"
        ) as caught:
            task.result()
        assert isinstance(caught.value.__cause__, asyncio.CancelledError)
        [note] = caught.value.__notes__
        assert note.startswith("vaulytica: till then ")

    asyncio.run(bounded())


def test_nor_does_a_task_group_pass_over_it() -> None:
    async def run() -> None:
        config = config_for("http://127.0.0.1:9", **FILLING)
        async with AsyncWebhookSender(config) as sender, asyncio.TaskGroup() as group:
            group.create_task(sender.send_stream(waits_for_a_cancelled_task()).run())

    with pytest.RaisesGroup(RuntimeError):
        asyncio.run(run())


def test_a_caller_that_is_cancelled_stays_so(serve: Serve) -> None:
    server = serve(replies(OK))
    closed = []

    async def endless() -> AsyncIterator[Entry]:
        try:
            yield entry(0)
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    async def run() -> None:
        async with AsyncWebhookSender(config_for(server.url, **BATCHES)) as sender:
            stream = sender.send_stream(endless())
            arrived = asyncio.Event()
            task = asyncio.ensure_future(stream.run(lambda _: arrived.set()))
            await asyncio.wait_for(arrived.wait(), 60)
            task.cancel()
            await asyncio.wait([task], timeout=60)
            assert task.cancelled()
            assert (stream.report, closed) == (1, [True])

    asyncio.run(run())


# --- A source that is cancelled, and goes on.


@pytest.mark.parametrize("swallows", [1, 1_000_000])
def test_a_source_that_goes_on_though_it_is_cancelled_is_not_waited_for_for_ever(
    swallows: int, serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(aio_crew, "PATIENCE", 0.01)
    server = serve(replies(OK))
    swallowed, closed, test_is_over = [], [], False

    async def stubborn() -> AsyncIterator[Entry]:
        try:
            yield entry(0)
            while True:
                try:
                    await asyncio.sleep(3600)
                except asyncio.CancelledError:
                    if test_is_over or len(swallowed) == swallows:
                        raise
                    swallowed.append(True)
        finally:
            closed.append(True)

    async def run() -> None:
        nonlocal test_is_over
        async with AsyncWebhookSender(config_for(server.url, **BATCHES)) as sender:
            stream = sender.send_stream(stubborn())
            task = asyncio.ensure_future(stream.run(lambda _: stream.halt()))
            ended, _ = await asyncio.wait([task], timeout=60)
            was_closed = bool(closed)
            test_is_over = True
            assert ended == {task}, "it hangs"
            assert task.result() == 1
            await stream.aclose()
            assert was_closed == (swallows == 1)
            assert ("it is left behind" in caplog.text) == (swallows > 1)

    asyncio.run(run())
    assert closed == [True]


# --- What is read, and what is not.


class Gated:
    """A source that gives an entry each time it is let; what was read of it, and whether it is closed."""

    def __init__(self) -> None:
        self.let = threading.Semaphore(0)
        self.read = 0
        self.entered = threading.Event()
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[Entry]:
        self.entered.set()
        try:
            while True:
                assert self.let.acquire(timeout=60)
                self.read += 1
                yield entry(self.read)
        finally:
            self.closed.set()


def test_an_event_that_comes_after_a_halt_is_left() -> None:
    config = config_for("http://127.0.0.1:9", **BATCHES)
    with WebhookSender(config) as sender:
        source = Gated()
        stream = sender.send_stream(source)
        caller = threading.Thread(target=stream.run)
        caller.start()
        assert source.entered.wait(60)
        stream.halt()
        caller.join(60)
        assert not caller.is_alive(), "it does not wait for the source"
        source.let.release(5)
        assert source.closed.wait(60)
        assert source.read == 1
        counted = stream.report.events
        assert [item.id for item in stream.left().not_begun] == ["event-1"][counted:]


class Mine(Exception):
    """An error of the caller's own."""


def test_nothing_more_is_read_of_a_stream_that_is_closed() -> None:
    """However few entries there are: a batch that is being filled."""
    with WebhookSender(config_for("http://127.0.0.1:9", **FILLING)) as sender:
        source = Gated()
        stream = sender.send_stream(source)
        caller = threading.Thread(target=stream.run)
        caller.start()
        source.let.release(3)
        wait_for(lambda: source.read == 3)
        stream.close()
        caller.join(60)
        assert not caller.is_alive(), "it does not wait for the source"
        source.let.release(100)
        assert source.closed.wait(60)
        assert source.read <= 4, "the one that it was waiting for"
        assert len(stream.left().not_begun) == source.read


def test_nor_of_one_whose_hearer_breaks(serve: Serve) -> None:
    server = serve(replies(OK))
    config = config_for(server.url, batch={"max_events": 2, "as": "array", "max_wait": 3600})

    def broken(_: object) -> None:
        raise Mine

    with WebhookSender(config) as sender:
        source = Gated()
        stream = sender.send_stream(source)
        source.let.release(2)
        with pytest.raises(Mine):
            stream.run(broken)
        source.let.release(100)
        assert source.closed.wait(60)
        assert source.read == 3
        assert len(stream.left().not_begun) == 1
        assert (stream.report, len(server.arrived)) == (2, 1)


# --- Sources are closed.


@pytest.mark.parametrize("way", ["aclose", "halt", "left"])
@pytest.mark.parametrize("plain", [True, False])
def test_a_generator_is_closed_when_its_stream_ends_early(
    serve: Serve, way: str, plain: bool
) -> None:
    server = serve(replies(OK))
    closed = []

    async def endless() -> AsyncIterator[Entry]:
        try:
            while True:
                yield entry(0)
        finally:
            for _ in range(10):
                await asyncio.sleep(0)
            closed.append(True)

    def endlessly() -> Iterator[Entry]:
        try:
            while True:
                yield entry(0)
        finally:
            closed.append(True)

    async def run() -> None:
        async with AsyncWebhookSender(config_for(server.url, **BATCHES)) as sender:
            source: Any = endlessly() if plain else endless()
            async with sender.send_stream(source) as stream:
                async for _ in stream:
                    if way == "halt":
                        stream.halt()
                    elif way == "aclose":
                        await stream.aclose()
                        assert closed == [True]
                    else:
                        break
            assert closed == [True]

    asyncio.run(run())


def test_an_iterator_that_is_no_generator_can_be_gone_on_with(serve: Serve, kind: str) -> None:
    """It may be a file, or a queue; whatever it is, it is the caller's."""
    server = serve(replies(OK))
    source = iter([entry(n) for n in range(500)])

    async def run() -> int:
        async with AsyncWebhookSender(config_for(server.url, **BATCHES)) as sender:
            first = sender.send_stream(source)
            async for _ in first:
                first.halt()
            second = await sender.send_stream(source).run()
            return first.report.events + len(first.left().not_begun) + second.events

    if kind == "async":
        total = asyncio.run(run())
    else:
        with WebhookSender(config_for(server.url, **BATCHES)) as sender:
            first = sender.send_stream(source)
            for _ in first:
                first.halt()
            second = sender.send_stream(source).run()

            def total_now() -> int:
                return first.report.events + len(first.left().not_begun) + second.events

            wait_for(lambda: total_now() == 500)  # the first one's reader may have one in hand
            total = total_now()
    assert total == 500


# --- What is known of what is left.


def test_what_was_refused_for_now_is_not_called_unknown(serve: Serve, kind: str) -> None:
    server = serve(replies(http(429, headers=[("Retry-After", "100")])))
    config = config_for(server.url, concurrency=1, **BATCHES)
    waits = threading.Event()

    async def run() -> Any:
        async with AsyncWebhookSender(config) as sender:
            stream = sender.send_stream([entry(n) for n in range(15)])
            task = asyncio.ensure_future(stream.run())
            while not waits.is_set():
                await asyncio.sleep(0.005)
            task.cancel()
            await asyncio.wait([task])
            return stream.left()

    with at_each_wait(waits.set):
        if kind == "async":
            left = asyncio.run(run())
        else:
            with WebhookSender(config) as sender:
                stream = sender.send_stream([entry(n) for n in range(15)])
                caller = threading.Thread(target=stream.run)
                caller.start()
                assert waits.wait(60)
                stream.close()
                caller.join(60)
                left = stream.left()
    assert left.under_way == []
    assert [item.id for item in left.not_begun] == [f"event-{n}" for n in range(10, 15)]
    assert {(result.reason.status, result.attempts) for result in left.results} == {(429, 1)}
    assert len(left.results) == 10
    assert len(server.arrived) == 1
