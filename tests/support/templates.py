"""Rendering templates in tests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.heart import guide_event
from vaulytica.errors import WebhookConfigError, WebhookEventError
from vaulytica.events import Event
from vaulytica.formats.templating.structured import StructuredFormat
from vaulytica.formats.templating.template import TemplateFormat

Template = str | dict[str, Any]


def format_of(template: Template, **settings: Any) -> Any:
    """The format for a template as text, or as a tree."""
    kind = TemplateFormat if isinstance(template, str) else StructuredFormat
    return kind(template, **settings)


def render(template: Template, event: Event | None = None, **data: Any) -> Any:
    """The document that the template makes of the guide's event, or of one with this data."""
    if event is None:
        event = guide_event(**({"data": data} if data else {}))
    body = format_of(template).encode(event)
    return json.loads(body, parse_constant=pytest.fail)


def failure(template: Template, event: Event | None = None, **data: Any) -> str:
    """The one-line error with which the template fails, when it is made or for this event."""
    with pytest.raises((WebhookConfigError, WebhookEventError)) as caught:
        render(template, event, **data)
    message = str(caught.value)
    assert message.startswith("custom_template ")
    assert not {"\n", "\r", "\x00", "\x1b"} & set(message)
    assert len(message) < 500
    return message
