"""Ten thousand events from a generator pass through send_batch in little memory."""

from __future__ import annotations

import os

import pytest

from support.faulty import OK, Faulty, Line
from support.programs import run_json

MIB = 1024 * 1024
EVENTS = 10_000
# Not ru_maxrss where it can be helped: Linux hands on to a program the peak of who started it.
IMPORTS = """
    import asyncio, json, resource, sys
    from vaulytica.integrations.webhook import AsyncWebhookSender, WebhookConfig, WebhookSender

    def peak():
        try:
            for line in open("/proc/self/status"):
                if line.startswith("VmHWM"):
                    return int(line.split()[1]) * 1024
        except FileNotFoundError:
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
"""
SENDS = (
    IMPORTS
    + """
    def events(count):
        for n in range(count):
            data = {"n": n, "file_name": f"report {n}.pdf", "labels": ["a", "b", "c"], "text": "x" * 400}
            yield {"type": "file_shared", "data": data, "severity": "warning"}

    config = WebhookConfig(url=sys.argv[1], timeout=60)

    async def as_tasks(count):
        async with AsyncWebhookSender(config) as sender:
            return await sender.send_batch(events(count))

    if sys.argv[2] == "sync":
        with WebhookSender(config) as sender:
            report = sender.send_batch(events(int(sys.argv[3])))
    else:
        report = asyncio.run(as_tasks(int(sys.argv[3])))
    print(json.dumps([int(report), len(report.results), peak()]))
    """
)


def answer_quickly(line: Line) -> None:
    """Answer each request without keeping it."""
    while (arrived := line.request()) is not None:
        line.server.arrived.remove(arrived)
        line.send(OK)


@pytest.mark.skipif(os.name != "posix", reason="no portable way to learn a process's peak")
def test_ten_thousand_events_take_at_most_64_mib(kind: str) -> None:
    with Faulty(answer_quickly) as server:
        delivered, results, peak = run_json(SENDS, server.url, kind, EVENTS)
    own = run_json(IMPORTS + "    print(peak())")
    assert (delivered, results) == (EVENTS, EVENTS)
    assert peak - own <= 64 * MIB
