"""Target: any template, as text and as a tree, with any data."""

from __future__ import annotations

import json
import time
from typing import Any
from unittest.mock import patch

from fuzz.taking import Taking
from support.heart import guide_event
from vaulytica.errors import WebhookConfigError, WebhookEventError
from vaulytica.formats.templating import bounds
from vaulytica.formats.templating.structured import StructuredFormat
from vaulytica.formats.templating.template import TemplateFormat

SHORT = 0.2  # seconds, in place of one: templates that use all their time are to be found, not waited for
SLOWEST = 5.0  # seconds of work: a step, and reading back, come on top of it
GUIDES = (
    '{"level": "{{ severity }}", "file": "{{ event_data.a }}", "all": {{ event_data | tojson }}}'
)
FIXED = TemplateFormat(GUIDES)
TREE = StructuredFormat(
    {"level": "{{ severity }}", "file": "{{ event_data.a }}", "line": "<{{ event_data.b }}>"}
)


def target(data: bytes) -> None:
    """A template is refused, fails for the event, or gives an object; data lands as it is."""
    taking = Taking(data)
    as_leaf = taking.byte() % 2 == 1
    template = taking.text()
    a, b = taking.text(), taking.text()
    values: dict[str, Any] = {"a": a, "b": b, "n": taking.byte(), "l": [a, b, 1, None]}
    event = guide_event(data=values)
    a, b = event.data["a"], event.data["b"]  # surrogate pairs are joined at the door
    started = time.process_time()
    try:
        made_by = StructuredFormat({"v": [template]}) if as_leaf else TemplateFormat(template)
        with patch.object(bounds, "MAX_SECONDS", SHORT):
            body = made_by.encode(event)
        made = json.loads(body)
    except (WebhookConfigError, WebhookEventError) as error:
        assert str(error).startswith("custom_template ")
        assert not {"\n", "\r", "\0", "\x1b"} & set(str(error))
    else:
        assert isinstance(made, dict)
        if as_leaf:
            assert list(made) == ["v"]
            assert len(made["v"]) == 1
    assert time.process_time() - started < SLOWEST
    assert event.data == {"a": a, "b": b, "n": values["n"], "l": [a, b, 1, None]}
    assert json.loads(FIXED.encode(event)) == {"level": "warning", "file": a, "all": event.data}
    assert json.loads(TREE.encode(event)) == {"level": "warning", "file": a, "line": f"<{b}>"}
