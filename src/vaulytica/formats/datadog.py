"""Datadog Events v1, `/api/v1/events`: the guide's payload format 3. Limits: Datadog's API reference."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from vaulytica.events import Event, Severity
from vaulytica.formats.datadog_sites import Intake, site_url
from vaulytica.formats.document import DocumentFormat
from vaulytica.jsonvalues import Dumps, compact_json

MAX_TEXT = 4000  # characters, Datadog's limit on `text`
MAX_TITLE = 500
CUT_MARK = "… [cut by vaulytica]"

_ALERT_TYPES = {
    Severity.CRITICAL: "error",
    Severity.ERROR: "error",
    Severity.WARNING: "warning",
}


class DatadogOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the format. `site`: a name such as `us5`, or a domain, in place of a URL."""

    site: str | None = None


class DatadogFormat(DocumentFormat):
    """One event of Datadog's event stream, the data as readable text."""

    name = "datadog"
    Options = DatadogOptions

    def __init__(
        self,
        *,
        dumps: Dumps = compact_json,
        options: DatadogOptions | None = None,
        url: str = "",
    ) -> None:
        super().__init__(dumps=dumps)
        self.default_url(options or DatadogOptions())  # a site that is not one is told of here

    @staticmethod
    def default_url(options: DatadogOptions) -> str | None:
        """Where the site takes in events; None without a site."""
        return None if options.site is None else site_url(options.site, Intake.EVENTS)

    def document(self, event: Event) -> dict[str, Any]:
        """The guide's Datadog payload; over-long text is cut with a visible mark."""
        return {
            "title": _cut(f"Vaulytica: {event.type}", MAX_TITLE),
            "text": _cut(json.dumps(event.data, indent=2, ensure_ascii=False), MAX_TEXT),
            "alert_type": _ALERT_TYPES.get(event.severity, "info"),
            "source_type_name": event.source,
            "tags": [
                f"event_type:{event.type}",
                f"severity:{event.severity}",
                f"source:{event.source}",
            ],
            "date_happened": int(event.epoch_seconds // 1),
        }


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - len(CUT_MARK)] + CUT_MARK
