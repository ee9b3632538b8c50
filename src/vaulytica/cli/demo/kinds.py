"""The kinds of destinations that `demo` sends to: how each is configured, and who answers there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from vaulytica.cli.demo.decode import READERS, Reader
from vaulytica.cli.demo.stand_ins import Search, Webhook
from vaulytica.receiving.destinations.datadog_logs import DatadogLogs
from vaulytica.receiving.destinations.splunk_hec import SplunkHec
from vaulytica.receiving.destinations.strict import StrictDestination, json_answer


@dataclass(frozen=True)
class Kind:
    """A kind of destination: settings for its sender, who answers, and how what it takes is read.

    `key`: the header that its API key goes into, and what comes before the key. `busy`: faults of
    the one destination of its kind that is busy at first.
    """

    settings: dict[str, Any]
    stand_in: Callable[..., StrictDestination]
    reader: Reader
    path: str = ""
    key: tuple[str, str] = ("X-API-Key", "")
    busy: dict[str, Any] | None = None


_TEMPLATE = """
{
  "alert": {
    "type": "{{ event_type }}",
    "level": "{{ severity }}",
    "time": "{{ timestamp }}",
    "file": "{{ event_data.file_name | default('') }}",
    "data": {{ event_data | tojson }}
  }
}
"""


def _function(context: dict[str, Any]) -> dict[str, Any]:
    return {
        "alert_type": context["event_type"],
        "alert_severity": context["severity"],
        "alert_timestamp": context["timestamp"],
        "alert_data": context["event_data"],
        "alert_source": context["source"],
    }


_DATADOG_OK = json_answer(202, {"status": "ok"})
# Small batches, so that there are several.
_BATCH = {"max_events": 20}
_ARRAY, _NDJSON = _BATCH | {"as": "array"}, _BATCH | {"as": "ndjson"}


def _is_put_off(document: dict[str, Any], nth: int) -> bool:
    """Whether a queue is full when a document comes: for critical ones, the first time."""
    return nth == 1 and bool(document["event"]["severity"] == 4)


KINDS = {
    "json": Kind(
        {"format": "json"},
        Webhook,
        READERS["json"],
        busy={"refuse": lambda number: 503 if number <= 3 else None},
    ),
    "json array": Kind(
        {"format": "json", "batch": _ARRAY}, partial(Webhook, layout="array"), READERS["json"]
    ),
    "json ndjson": Kind(
        {"format": "json", "batch": _NDJSON}, partial(Webhook, layout="ndjson"), READERS["json"]
    ),
    "splunk_hec": Kind(
        {"format": "splunk_hec", "batch": _BATCH},
        SplunkHec,
        READERS["splunk_hec"],
        path="/services/collector/event",
        key=("Authorization", "Splunk "),
        busy={"refuse": lambda number: 9 if number == 1 else None},  # "Server is busy"
    ),
    "datadog": Kind(
        {"format": "datadog"},
        partial(Webhook, says=_DATADOG_OK),
        READERS["datadog"],
        path="/api/v1/events",
        key=("DD-API-KEY", ""),
    ),
    "datadog_logs": Kind(
        {"format": "datadog_logs", "batch": _BATCH},
        DatadogLogs,
        READERS["datadog_logs"],
        path="/api/v2/logs",
        key=("DD-API-KEY", ""),
    ),
    "elastic": Kind(
        {"format": "elastic"},
        Search,
        READERS["elastic"],
        path="/vaulytica/_doc",
        key=("Authorization", "ApiKey "),
    ),
    "elastic bulk": Kind(
        {
            "format": "elastic",
            "format_options": {"index": "vaulytica-{date:%Y.%m.%d}"},
            "batch": _BATCH,
        },
        Search,
        READERS["elastic bulk"],
        path="/_bulk",
        key=("Authorization", "ApiKey "),
        busy={"defer": _is_put_off},
    ),
    "ecs bulk": Kind(
        {"format": "ecs", "batch": _BATCH},
        Search,
        READERS["ecs bulk"],
        path="/logs-vaulytica-default/_bulk",  # a data stream
        key=("Authorization", "ApiKey "),
    ),
    "custom template": Kind(
        {"format": "custom", "custom_template": _TEMPLATE}, Webhook, READERS["custom template"]
    ),
    "custom function": Kind(
        {"format": "custom", "custom_template_func": _function, "batch": _NDJSON},
        partial(Webhook, layout="ndjson"),
        READERS["custom function"],
    ),
}
