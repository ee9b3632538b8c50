"""A key that is refused with 403: told once for all, where the destination says that it is the key."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.heart import OwnClock
from vaulytica.integrations.webhook import Request, Response, WebhookConfig, WebhookSender
from vaulytica.transport.memory import MemoryTransport

HEC = {"format": "splunk_hec", "url": "https://siem.example.com/services/collector/event"}
LOGS = {"format": "datadog_logs", "url": "https://siem.example.com/api/v2/logs"}
BULK = {"format": "elastic", "url": "https://siem.example.com/events/_bulk"}
OF_HEC: Any = {"text": "Invalid token", "code": 4}
OF_DATADOG: Any = {"errors": [{"status": "403", "title": "Forbidden"}]}
OF_ELASTIC: Any = {"error": {"type": "security_exception", "reason": "no rights"}, "status": 403}


@pytest.mark.parametrize(
    ("settings", "says", "requests"),
    [(HEC, OF_HEC, 1), (LOGS, OF_DATADOG, 1), (BULK, OF_ELASTIC, 3)],
    ids=["splunk_hec", "datadog_logs", "elastic"],
)
def test_a_refused_key_is_told_of_whole_batches(settings: Any, says: Any, requests: int) -> None:
    clock = OwnClock()
    asked: list[Request] = []

    def answer(request: Request) -> Response:
        asked.append(request)
        return Response(403, (), json.dumps(says).encode())

    config = WebhookConfig(concurrency=1, batch={"max_wait": 60}, **settings)
    transport = MemoryTransport([answer])
    with WebhookSender(config, transport=transport, clock=clock, sleep=clock.sleep) as sender:
        report = sender.send_batch({"type": "t", "data": {"n": n}} for n in range(5000))
    counts = report.counts
    assert len(asked) == requests
    assert (counts.rejected, counts.deferred) == (1000 * requests, 5000 - 1000 * requests)
    assert {result.attempts for result in report.rejected} == {1}
    assert {result.attempts for result in report.deferred} == {0}
