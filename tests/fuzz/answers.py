"""Target: any answer, of any status, to a batch of any format."""

from __future__ import annotations

import json
import math
from typing import Any

from fuzz.taking import Taking
from support.heart import batch_of, guide_event
from vaulytica.delivery.batching import Batch
from vaulytica.delivery.outcome import Deferred, Delivered, Rejected
from vaulytica.delivery.request import Response
from vaulytica.formats import FORMATS

URLS = {
    "splunk_hec": "https://splunk.example.com/services/collector/event",
    "elastic": "https://search.example.com/logs/_bulk",
    "ecs": "https://search.example.com/_bulk",
    "datadog_logs": "https://intake.example.com/api/v2/logs",
}
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "template": ("{}",), "structured": ({},), "function": (dict,)
}  # fmt: skip
STATUSES = (200, 200, 200, 201, 202, 204, 207, 301, 400, 401, 403, 404, 413, 429, 500, 503, 599)
# Their answer says of each event what became of it, so one that cannot be read delivers none.
TELLING = ("splunk_hec", "elastic", "ecs")
NOW = 1761739200.0


def _format(name: str) -> Any:
    made_by = FORMATS.load(name)
    settings: dict[str, Any] = {}
    if hasattr(made_by, "Options"):
        options = {"index": "logs-x-default"} if name in ("elastic", "ecs") else {}
        settings = {
            "url": URLS.get(name, "https://intake.example.com/api/v1/events"),
            "options": made_by.Options(**options),
        }
    return made_by(*ARGUMENTS.get(name, ()), **settings)


CASES: list[tuple[Any, Batch]] = [
    (format, batch_of(format, *(guide_event(data={"n": n}) for n in range(count))))
    for name in FORMATS.entries
    for format in [_format(name)]
    for count in {1, min(3, format.limits.max_events)}
]


def target(data: bytes) -> None:
    """One outcome for each event; none delivered but by a 2xx that can be read; texts of one line."""
    taking = Taking(data)
    format, batch = taking.one_of(CASES)
    status = taking.one_of(STATUSES)
    headers = {"Retry-After": taking.text(), "Date": taking.text(), "X-RateLimit-Reset": "9"}
    body = taking.rest()
    response = Response(status, headers, body)
    wait = response.retry_after(NOW)
    assert wait is None or (math.isfinite(wait) and wait >= 0)
    outcomes = format.settle(response, batch)
    assert len(outcomes) == len(batch.items)
    for outcome in outcomes:
        assert isinstance(outcome, (Delivered, Rejected, Deferred))
        if isinstance(outcome, Delivered):
            assert 200 <= status < 300 or _stopped_at_one(format.name, status, body)
            assert format.name not in TELLING or is_object(body) or _all_is_well(format.name, body)
        else:
            text = outcome.reason.text
            assert text.isprintable() or not {"\n", "\r", "\0", "\x1b"} & set(text)
            assert len(text) < 3_000


def _stopped_at_one(name: str, status: int, body: bytes) -> bool:
    """Splunk's 400 that names the event at fault: those before it were taken."""
    return name == "splunk_hec" and status == 400 and b'"invalid-event-number"' in body


def _all_is_well(name: str, body: bytes) -> bool:
    """What receivers of HEC that are not Splunk say: nothing, or OK."""
    return name == "splunk_hec" and body.strip().lower() in (b"", b"{}", b"ok", b'"ok"')


def is_object(body: bytes) -> bool:
    """Whether a body is a JSON object; what it holds beside what is read may even be no UTF-8."""
    try:
        return isinstance(json.loads(body.decode("utf-8", "replace")), dict)
    except (ValueError, RecursionError):
        return False
