"""Both verifications hold for whatever is sent: the guide's own `verify_signature`, and one over the raw body."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.awkward import ANY_TEXT, DATA, EVENT_DATA
from support.docs.receivers import Receivers
from support.heart import Canned, batch_of, delivered, guide_event, header
from support.reader import BLOCKS, Reading, blocks_of
from vaulytica.delivery.request import Response
from vaulytica.events import Severity
from vaulytica.integrations.webhook import WebhookAuth, WebhookConfig, WebhookSender

SECRET = "your-secret-key"
AUTH = WebhookAuth(auth_type="hmac_sha256", hmac_secret=SECRET)
TEMPLATE = '{"type": "{{ event_type }}", "n": 1.50, "data": {{ event_data }}, "é": "{{ source }}"}'
FORMATS: dict[str, dict[str, Any]] = {
    "json": {},
    "splunk_hec": {"format": "splunk_hec"},
    "datadog": {"format": "datadog"},
    "elastic": {"format": "elastic"},
    "template": {"format": "custom", "custom_template": TEMPLATE},
    "structured": {"format": "custom", "custom_template": {"é": "{{ event_data }}", "n": 1.5}},
    "function": {"format": "custom", "custom_template_func": dict},
}
CONFIGS = {
    name: WebhookConfig(url="https://api.example.com/events", auth=AUTH, **settings)
    for name, settings in FORMATS.items()
}


def _guides_own() -> Callable[[dict[str, Any], str, str], bool]:
    namespace: dict[str, Any] = {}
    (text,) = (b.text for b in blocks_of(BLOCKS) if "def verify_signature" in b.text)
    exec(text, namespace)
    verify: Callable[[dict[str, Any], str, str], bool] = namespace["verify_signature"]
    return verify


verify_signature = _guides_own()


def verify_raw(body: bytes, signature: str, secret: str) -> bool:
    return hmac.compare_digest(
        hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(), signature
    )


def assert_verified(body: bytes, signature: str | None) -> None:
    assert signature is not None
    assert verify_raw(body, signature, SECRET)
    assert verify_signature(json.loads(body), signature, SECRET)
    for wrong in (SECRET.upper(), ""):
        assert not verify_raw(body, signature, wrong)
        assert not verify_signature(json.loads(body), signature, wrong)
    assert not verify_signature({**json.loads(body), "more": 1}, signature, SECRET)
    assert not verify_raw(body + b" ", signature, SECRET)


@pytest.mark.parametrize("name", FORMATS)
@given(
    data=EVENT_DATA,
    type=ANY_TEXT.filter(str.strip),
    source=ANY_TEXT.filter(bool),
    severity=st.sampled_from(Severity),
    timestamp=st.floats(0, 4e9),
)
def test_any_event_verifies_both_ways(
    name: str, data: dict[str, Any], type: str, source: str, severity: str, timestamp: float
) -> None:
    to = CONFIGS[name].destination()
    event = guide_event(data=data, type=type, source=source, severity=severity, timestamp=timestamp)
    canned = Canned(Response(200))
    delivered(canned, to, batch_of(to.format, event))
    (request,) = canned.requests
    assert_verified(request.body, header(request, "X-Signature"))


@pytest.mark.parametrize("name", FORMATS)
def test_awkward_events_verify_both_ways_as_received(receivers: Receivers, name: str) -> None:
    before = len(receivers.received)
    entries = [{"type": "t", "data": data} for data in DATA.values()]
    with WebhookSender(CONFIGS[name]) as sender:
        assert sender.send_batch(entries) == len(entries)
    received = receivers.received[before:]
    assert len(received) == len(entries)
    for one in received:
        assert_verified(one.body, one.header("X-Signature"))
        assert int(one.header("Content-Length") or 0) == len(one.body)


def test_the_event_of_the_guides_own_block_verifies(reading: Reading, receivers: Receivers) -> None:
    block = next(b for b in reading.blocks if "hmac_header" in b.text)
    with WebhookSender(block.made["config"]) as sender:
        assert sender.send_event("test", {"a": [1.0, "é", None]})
    received = receivers.received[-1]
    assert_verified(received.body, received.header("X-Signature"))
    assert reading.blocks[-1].made["verify_signature"](
        json.loads(received.body), received.header("X-Signature"), SECRET
    )
