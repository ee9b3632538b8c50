"""Rendering templates in tests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.heart import guide_event
from vaulytica.errors import WebhookConfigError, WebhookEventError
from vaulytica.events import Event
from vaulytica.formats.templating.template import TemplateFormat


def render(template: str, event: Event | None = None, **data: Any) -> Any:
    """The document that the template makes of the guide's event, or of one with this data."""
    if event is None:
        event = guide_event(**({"data": data} if data else {}))
    body = TemplateFormat(template).encode(event)
    return json.loads(body, parse_constant=pytest.fail)


def failure(template: str, event: Event | None = None, **data: Any) -> str:
    """The one-line error with which the template fails, when it is made or for this event."""
    with pytest.raises((WebhookConfigError, WebhookEventError)) as caught:
        render(template, event, **data)
    message = str(caught.value)
    assert message.startswith("custom_template ")
    assert not {"\n", "\r", "\x00", "\x1b"} & set(message)
    assert len(message) < 500
    return message
