"""Whatever a destination sends, memory grows by less than 5 MiB, and nothing is decompressed.

The sender runs in an interpreter of its own, so that the server's memory is not counted; Linux tells
the highest resident size since it was last reset.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.behaviours import says_for_ever
from support.faulty import OK, Faulty, Line, http, replies
from support.programs import run_json

MIB = 1024 * 1024
# 300 MiB of zeros as 300 gzip members, each made of 1 MiB.
BOMB = gzip.compress(bytes(MIB)) * 300
GZIP = [("Content-Encoding", "gzip"), ("Content-Type", "application/json")]


def chunked_bomb(line: Line) -> None:
    line.request()
    line.send(b"HTTP/1.1 500 No\r\nTransfer-Encoding: gzip, chunked\r\n\r\n")
    line.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(BOMB), BOMB))
    line.end()


SCRIPTS = {
    "a gzip bomb": replies(http(500, BOMB, GZIP)),
    "a gzip bomb, delivered": replies(http(200, BOMB, GZIP)),
    "a gzip bomb as transfer encoding": chunked_bomb,
    "an endless body": says_for_ever(b"HTTP/1.1 500 No\r\n\r\n", b"z" * 65536),
    "an endless chunk": says_for_ever(
        b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n", b"z" * 65536
    ),
    "endless chunk sizes": says_for_ever(
        b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n1", b"0" * 65536
    ),
    "endless headers": says_for_ever(b"HTTP/1.1 500 No\r\n", b"a:b\r\n" * 9999),
    "one endless header": says_for_ever(b"HTTP/1.1 500 No\r\na:", b"b" * 65536),
    "endless interim answers": says_for_ever(b"", b"HTTP/1.1 103 Hints\r\na: b\r\n\r\n" * 999),
    "an endless status line": says_for_ever(b"HTTP/1.1 500 ", b"no " * 9999),
    "endless bytes that are not HTTP": says_for_ever(b"", b"\0" * 65536),
    "an endless trailer": says_for_ever(
        b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"a: b\r\n" * 9999
    ),
}

PROGRAM = """
    import asyncio, json, sys
    from vaulytica.integrations.webhook import (
        AsyncWebhookSender, WebhookConfig, WebhookError, WebhookRetryConfig, WebhookSender)

    def memory(field):
        for line in open("/proc/self/status"):
            if line.startswith(field):
                return int(line.split()[1]) * 1024

    def reset():
        open("/proc/self/clear_refs", "w").write("5")
        return memory("VmRSS")

    def config(url):
        timeout = 60 if url == well else 2  # to what has no end, this much is read
        return WebhookConfig(
            url=url, timeout=timeout, retry_config=WebhookRetryConfig(max_retries=0))

    def in_turn(url):
        with WebhookSender(config(url)) as sender:
            return text_of(lambda: sender.send_event("file_shared", {}))

    async def sent(url):
        async with AsyncWebhookSender(config(url)) as sender:
            return await sender.send_event("file_shared", {})

    def as_task(url):
        return text_of(lambda: asyncio.run(sent(url)))

    def text_of(send):
        try:
            return str(send())
        except WebhookError as error:
            return str(error)

    well, *bad = sys.argv[1:]
    found = []
    for send in (in_turn, as_task):
        assert send(well) == "True"
        for url in bad:
            before = reset()
            text = send(url)
            found.append([memory("VmHWM") - before, text])
    print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found() -> dict[tuple[str, str], list[Any]]:
    """By sender and script: the growth in bytes, and the error's text."""
    if not os.access("/proc/self/clear_refs", os.W_OK) or not Path("/proc/self/status").exists():
        pytest.skip("only Linux tells a process its highest resident size, and resets it")
    servers = {name: Faulty(script) for name, script in SCRIPTS.items()}
    well = Faulty(replies(OK))
    results = run_json(PROGRAM, well.url, *(server.url for server in servers.values()))
    for server in (well, *servers.values()):
        server.close()
    return dict(zip([(k, n) for k in ("sync", "async") for n in SCRIPTS], results, strict=True))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda name: name.replace(" ", "-"))
def test_memory_grows_by_less_than_5_mib(
    script: str, kind: str, found: dict[tuple[str, str], list[Any]]
) -> None:
    growth, text = found[kind, script]
    assert growth < 5 * MIB
    assert text.isprintable()
    assert len(text) < 2300


def test_a_compressed_answer_is_read_as_it_was_sent(
    kind: str, found: dict[tuple[str, str], list[Any]]
) -> None:
    assert found[kind, "a gzip bomb, delivered"][1] == "True"
    text = found[kind, "a gzip bomb"][1]
    assert "HTTP 500: \ufffd" in text, "the answer's words begin as every gzip stream does"


def test_a_large_event_is_sent_from_one_copy_of_its_bytes(serve: Callable[..., Faulty]) -> None:
    """A body of 8 MiB, sent twice over, costs no further copies of it in flight."""
    if not os.access("/proc/self/clear_refs", os.W_OK):
        pytest.skip("only Linux resets a process's highest resident size")
    server = serve(replies(http(500), OK))
    program = (
        PROGRAM.split("    well, *bad", maxsplit=1)[0]
        + """
    from vaulytica.transport.curl import CurlTransport
    from vaulytica.integrations.webhook import Request
    body = bytes(8 * 1024 * 1024)
    transport = CurlTransport()
    before = reset()
    statuses = [transport.send(Request(sys.argv[1], (), body, 60.0)).status for _ in range(2)]
    print(json.dumps([memory("VmHWM") - before, statuses]))
    """
    )
    growth, statuses = run_json(program, server.url)
    assert statuses == [500, 200]
    assert server.bodies == [bytes(8 * MIB)] * 2
    assert growth < 5 * MIB
