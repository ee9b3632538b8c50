"""The names that `format` takes: ours, their aliases, and those that others have added."""

from __future__ import annotations

from enum import StrEnum

from vaulytica.errors import did_you_mean
from vaulytica.formats import FORMATS


class WebhookFormat(StrEnum):
    """What the destination reads. Aliases: generic = json, splunk = splunk_hec, elasticsearch = elastic."""

    JSON = "json"
    SPLUNK_HEC = "splunk_hec"
    DATADOG = "datadog"
    DATADOG_LOGS = "datadog_logs"
    ELASTIC = "elastic"
    ECS = "ecs"
    CUSTOM = "custom"


FORMAT_ALIASES = {"generic": "json", "splunk": "splunk_hec", "elasticsearch": "elastic"}
INNER_NAMES = ("template", "structured", "function")  # of custom's formats


def known_format(value: str) -> str:
    """The format's own name, in lower case; raises `ValueError` for one that there is not."""
    name = value.lower()
    name = FORMAT_ALIASES.get(name, name)
    if name in list(WebhookFormat):
        return WebhookFormat(name)
    if name not in FORMATS or name in INNER_NAMES:
        names = [*WebhookFormat, *FORMAT_ALIASES, *FORMATS.names()]
        known = dict.fromkeys(name for name in names if name not in INNER_NAMES)
        raise ValueError(f"unknown format; known are {', '.join(known)}{did_you_mean(name, known)}")
    return name
