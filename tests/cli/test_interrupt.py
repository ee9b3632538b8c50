"""SIGINT in the midst of `send`: nothing more is begun, and what is known of an event is told."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from typing import Any

import pytest

from support.retries import at_each_wait
from vaulytica.cli.input.reading import Chunk
from vaulytica.cli.output.out_file import out_file
from vaulytica.cli.output.tally import Tally
from vaulytica.cli.send import _send_all
from vaulytica.config import WebhookConfig
from vaulytica.lines import Entries
from vaulytica.receiving.receiver import Answer, Receiver


@pytest.fixture
def interrupt(monkeypatch) -> Callable[[], None]:
    """Do what SIGINT does, at this very moment."""
    handlers: dict[int, Callable[[], None]] = {}

    def add(loop: object, number: int, handler: Callable[[], None]) -> None:
        handlers[number] = handler

    monkeypatch.setattr(asyncio.SelectorEventLoop, "add_signal_handler", add)
    return lambda: handlers[signal.SIGINT]()


def lines(first: int, count: int) -> Chunk:
    return Chunk("stdin", first, Entries([{"type": "t"}] * count), None, 10 * count)


def test_a_line_that_comes_with_the_signal_is_not_sent(interrupt, receiver):
    async def source() -> AsyncIterator[Chunk]:
        yield lines(1, 1)
        while tally.counts["delivered"] < 1:
            await asyncio.sleep(0.005)
        for _ in range(10):  # all wait for the source now
            await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(interrupt)  # as the loop calls a signal's handler
        yield lines(2, 1)  # the end of a pipe that the same Ctrl-C has ended

    tally = Tally(several=False)
    config = WebhookConfig(url=receiver.url)
    stopped = asyncio.run(_send_all(config, source(), tally))
    assert stopped == "the input after line 2 of stdin was not read"
    assert len(receiver.received) == 1
    assert tally.unsent == 1
    (last,) = [row for row in tally.undelivered if row["line"] == 2]
    assert (last["outcome"], last["reason"]) == ("deferred", "not sent: interrupted")


def test_what_was_refused_is_deferred_with_its_reason(interrupt, tmp_path):
    async def source() -> AsyncIterator[Chunk]:
        yield lines(1, 15)
        await asyncio.sleep(3600)

    def busy(_: Any) -> Answer:
        return Answer(503, b"busy", (("Retry-After", "100"),))

    with Receiver(respond=busy) as receiver, ExitStack() as stack, at_each_wait(interrupt):
        batch = {"max_events": 10, "as": "array"}
        config = WebhookConfig(url=receiver.url, batch=batch, concurrency=1)
        tally = Tally(several=False, report=out_file(tmp_path / "report", "w", stack, []))
        assert asyncio.run(_send_all(config, source(), tally)) is not None
        assert len(receiver.received) == 1
    assert tally.counts == {"delivered": 0, "rejected": 0, "deferred": 15, "unknown": 0}
    assert (tally.unsent, tally.settled.attempts) == (5, 10)
    rows = [json.loads(row) for row in (tmp_path / "report").read_text().splitlines()]
    assert sorted(row["line"] for row in rows) == list(range(1, 16))
    tried = [row for row in rows if row["line"] <= 10]
    assert {(row["status"], row["attempts"]) for row in tried} == {(503, 1)}


def test_an_input_that_is_cancelled_is_no_signal(interrupt, receiver):
    async def source() -> AsyncIterator[Chunk]:
        yield lines(1, 1)
        raise asyncio.CancelledError

    tally = Tally(several=False)
    with pytest.raises(RuntimeError, match="CancelledError"):
        asyncio.run(_send_all(WebhookConfig(url=receiver.url), source(), tally))
