"""Datadog's sites by name, and where each takes in events and logs. Source: Datadog's API reference."""

from __future__ import annotations

from enum import StrEnum

from vaulytica.errors import WebhookConfigError

_SITES = {
    "us1": "datadoghq.com",
    "us3": "us3.datadoghq.com",
    "us5": "us5.datadoghq.com",
    "eu1": "datadoghq.eu",
    "ap1": "ap1.datadoghq.com",
    "ap2": "ap2.datadoghq.com",
    "uk1": "uk1.datadoghq.com",
    "us1-fed": "ddog-gov.com",
    "us2-fed": "us2.ddog-gov.com",
}
_ALIASES = {"eu": "eu1", "gov": "us1-fed"}


class Intake(StrEnum):
    """The URL of an API, as a pattern."""

    EVENTS = "https://api.{site}/api/v1/events"
    LOGS = "https://http-intake.logs.{site}/api/v2/logs"


def site_url(site: str, intake: Intake) -> str:
    """The URL at a site given by its name (`us5`) or domain; raises `WebhookConfigError` listing them."""
    name = site.strip().lower()
    name = _ALIASES.get(name, name)
    domain = _SITES.get(name, name)
    if domain not in _SITES.values():
        known = ", ".join(f"{name} ({domain})" for name, domain in _SITES.items())
        raise WebhookConfigError(f"unknown Datadog site; known are {known}")
    return intake.format(site=domain)
