"""Ctrl-C while a batch is being sent: the call ends soon, whatever the destination is doing."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest

from support.behaviours import says_for_ever, silent
from support.faulty import OK, Faulty, Script, http, replies
from support.programs import start

PROGRAM = """
    import asyncio, sys
    from vaulytica.integrations.webhook import (
        AsyncWebhookSender, WebhookConfig, WebhookRetryConfig, WebhookSender)

    kind, url, width = sys.argv[1:]
    retry = WebhookRetryConfig(max_retries=9, initial_delay=60, jitter=False)
    config = WebhookConfig(url=url, timeout=60, concurrency=int(width), retry_config=retry)
    events = ({"type": "file_shared"} for _ in range(1_000_000))
    heard = 0

    def on_result(result):
        global heard
        heard += 1
        if heard == 1:
            print("first", flush=True)

    async def as_task():
        async with AsyncWebhookSender(config) as sender:
            await sender.send_batch(events, on_result=on_result)

    print("begun", flush=True)
    try:
        if kind == "sync":
            WebhookSender(config).send_batch(events, on_result=on_result)
        else:
            asyncio.run(as_task())
    except KeyboardInterrupt as error:
        print("interrupted", *getattr(error, "__notes__", ()), flush=True)
"""
DESTINATIONS: dict[str, Script] = {
    "answers": replies(OK),
    "never answers": silent,
    "drips": says_for_ever(b"HTTP/1.1 200 OK\r\n\r\n", b"drop", every=0.1),
    "asks to wait": replies(http(503)),
}


@pytest.mark.parametrize("width", [1, 8])
@pytest.mark.parametrize("name", DESTINATIONS)
def test_ctrl_c_ends_the_call(
    name: str, width: int, kind: str, serve: Callable[..., Faulty]
) -> None:
    server = serve(DESTINATIONS[name])
    program = start(PROGRAM, kind, server.url, width)
    assert program.stdout is not None
    try:
        assert program.stdout.readline() == "begun\n"
        deadline = time.monotonic() + 60
        while len(server.arrived) < width and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.05)  # into the read of the answer, or the wait before the retry
        program.send_signal(signal.SIGINT)
        sent_at = time.monotonic()
        output = program.communicate(timeout=60)[0]
    finally:
        program.kill()
        program.stdout.close()
    assert time.monotonic() - sent_at < 5
    told = output.removeprefix("first\n")
    if kind == "sync":
        assert told.startswith("interrupted vaulytica: till then "), told
    else:
        assert told == "interrupted\n"
    assert program.returncode == 0
