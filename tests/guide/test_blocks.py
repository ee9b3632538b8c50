"""The guide's code blocks run unchanged, and what they put on the wire is what the guide shows."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
import warnings
from datetime import datetime
from typing import Any

import pytest

from support.docs.receivers import Receivers
from support.heart import GUIDE_DATA, GUIDE_TIME
from support.reader import BLOCKS, ORIGINAL, Reading, blocks_of
from vaulytica.integrations.webhook import (
    WebhookConfig,
    WebhookFormat,
    WebhookSecurityWarning,
    WebhookSender,
)
from vaulytica.receiving.receiver import Received

# The guide's epoch seconds are not those of its timestamp: see test_golden.
TRUE_EPOCH = {"1730217600": "1761739200"}

originals = pytest.mark.skipif(not ORIGINAL.exists(), reason="the original guide is not here")


@pytest.fixture
def send(receivers: Receivers) -> Any:
    """Sends the guide's event as a config says, and gives what was received."""

    def sent(config: WebhookConfig, **changes: Any) -> Received:
        event = {"event_data": GUIDE_DATA, "severity": "warning", "timestamp": GUIDE_TIME} | changes
        before = len(receivers.received)
        with WebhookSender(config) as sender:
            assert sender.send_event("file_shared_externally", **event) is True
        (received,) = receivers.received[before:]
        return received

    return sent


def payload_of(reading: Reading, section: str) -> Any:
    """The payload shown in a section, as pairs: the order of keys counts."""
    text = reading.block(section, "json").text
    for wrong, right in TRUE_EPOCH.items():
        text = text.replace(wrong, right)
    return json.loads(text, object_pairs_hook=list)


def body_of(received: Received) -> Any:
    return json.loads(received.body, object_pairs_hook=list)


# --- Our copy is the original.


@originals
def test_our_copy_has_all_blocks_of_the_original() -> None:
    ours, theirs = ([(b.language, b.text) for b in blocks_of(p)] for p in (BLOCKS, ORIGINAL))
    assert ours == theirs
    assert len([language for language, _ in ours if language == "python"]) >= 20


@originals
def test_the_original_runs_too(receivers: Receivers) -> None:
    reading = Reading(ORIGINAL, receivers.received)
    sent = [len(block.received) for block in reading.blocks if block.received]
    assert sent == [1, 3, 1, 1, 1]


# --- Quick start.


def test_quick_start_sends_the_payload_shown(reading: Reading) -> None:
    (received,) = reading.block("Basic Webhook").received
    shown = payload_of(reading, "1. Generic JSON (Default)")
    body = body_of(received)
    assert [pair for pair in body if pair[0] != "timestamp"] == shown[1:]
    assert body[0][0] == "timestamp"
    assert abs(datetime.fromisoformat(body[0][1]).timestamp() - time.time()) < 300
    assert (received.method, received.path) == ("POST", "/webhook")
    assert received.header("Host") == "your-siem.example.com"
    assert received.header("Content-Type") == "application/json"
    assert received.header("Webhook-Id") == received.header("Idempotency-Key")


# --- Authentication.

AUTH_SECTIONS = [
    "1. API Key Authentication",
    "2. Bearer Token Authentication",
    "3. Basic Authentication",
    "4. HMAC SHA256 Signature",
]


@pytest.mark.parametrize("section", AUTH_SECTIONS)
def test_the_headers_are_those_shown(reading: Reading, send: Any, section: str) -> None:
    received = send(reading.block(section).made["config"])
    for line in reading.block(section, "").text.splitlines():
        name, _, value = line.partition(": ")
        pattern = re.sub(r"<[^>]+>", r"\\S+", value)
        assert re.fullmatch(pattern, received.header(name) or ""), name


def test_basic_credentials(reading: Reading, send: Any) -> None:
    received = send(reading.block("3. Basic Authentication").made["config"])
    encoded = (received.header("Authorization") or "").removeprefix("Basic ")
    assert base64.b64decode(encoded) == b"your-username:your-password"


def test_oauth2_gets_a_token_and_uses_it(reading: Reading, send: Any) -> None:
    received = send(reading.block("5. OAuth2 Client Credentials").made["config"])
    assert received.header("Authorization") == "Bearer fake-token"


# --- Payloads.

FORMAT_SECTIONS = [
    "1. Generic JSON (Default)",
    "2. Splunk HEC Format",
    "3. Datadog Format",
    "4. Elasticsearch Format",
    "5. Custom Template (Jinja2)",
]


@pytest.mark.parametrize("section", FORMAT_SECTIONS)
def test_the_payload_is_the_one_shown(reading: Reading, send: Any, section: str) -> None:
    data = dict(GUIDE_DATA)
    if "Datadog" in section:  # whose example shows two fields
        data = {name: data[name] for name in ("file_id", "file_name")}
    received = send(reading.block(section).made["config"], event_data=data)
    assert body_of(received) == payload_of(reading, section)


def test_the_function_makes_the_payload(reading: Reading, send: Any) -> None:
    block = reading.block("6. Custom Template (Python Function)")
    context = {
        "event_type": "file_shared_externally",
        "severity": "warning",
        "timestamp": GUIDE_TIME,
        "event_data": GUIDE_DATA,
    }
    received = send(block.made["config"])
    assert json.loads(received.body) == block.made["custom_formatter"](context)


@pytest.mark.parametrize(
    ("section", "format"),
    [*zip(FORMAT_SECTIONS, ["JSON", "SPLUNK_HEC", "DATADOG", "ELASTIC", "CUSTOM"], strict=True)],
)
def test_a_format_by_its_constant_is_the_same(reading: Reading, section: str, format: str) -> None:
    text = reading.block(section).text
    assert f"or WebhookFormat.{format}" in text
    changed = re.sub(r'format="\w+"', f"format=WebhookFormat.{format}", text)
    namespace = {"WebhookConfig": WebhookConfig, "WebhookFormat": WebhookFormat}
    exec(changed, namespace)
    assert namespace["config"] == reading.block(section).made["config"]


def test_the_headers_given_are_sent(reading: Reading, send: Any) -> None:
    received = send(reading.block("2. Splunk HEC Format").made["config"])
    assert received.header("Authorization") == "Splunk your-hec-token"
    assert received.header("Host") == "splunk.example.com:8088"
    assert received.path == "/services/collector/event"
    assert received.header("Content-Type") == "application/json"
    received = send(reading.block("3. Datadog Format").made["config"])
    assert received.header("DD-API-KEY") == "your-api-key"


# --- Batches, and what is printed.


def test_the_batch_is_three_events(reading: Reading) -> None:
    block = reading.block("Batch Sending")
    assert block.output == "Sent 3/3 events\n"
    assert block.made["success_count"] == 3
    bodies = [json.loads(received.body) for received in block.received]
    sent = [
        {"type": body["event_type"], "data": body["data"], "severity": body["severity"]}
        for body in bodies
    ]
    assert sorted(sent, key=repr) == sorted(block.made["events"], key=repr)


def test_the_connection_is_tested(reading: Reading) -> None:
    assert reading.block("Test Connection").output == "Webhook connection successful!\n"
    assert reading.block("Issue: Authentication Failures").output == ""
    (received,) = reading.block("Test Connection").received
    assert json.loads(received.body)["event_type"] == "vaulytica.test"


def test_the_latency_is_printed(reading: Reading) -> None:
    block = reading.block("4. Monitor Webhook Performance")
    assert re.fullmatch(r"Webhook latency: \d+\.\d\ds\n", block.output)
    (received,) = block.received
    assert json.loads(received.body)["data"] == {"message": "test"}
    assert json.loads(received.body)["severity"] == "info"


# --- Settings.


def test_the_retry_settings_are_taken(reading: Reading) -> None:
    policy = reading.block("Exponential Backoff").made["config"].destination().retry
    assert policy.max_retries == 5
    assert [policy.delay(retry) for retry in range(1, 6)] == [1.0, 2.0, 4.0, 8.0, 16.0]
    practice = reading.block("1. Use Appropriate Retry Configuration").made["retry_config"]
    assert (practice.max_retries, practice.initial_delay, practice.max_delay) == (3, 2.0, 60.0)


def test_example_1_works_with_a_real_splunks_header(reading: Reading, send: Any) -> None:
    config = reading.block("Example 1: Splunk with API Key").made["config"]
    received = send(config)
    assert received.header("Authorization") == "Splunk your-hec-token"
    assert body_of(received) == payload_of(reading, "2. Splunk HEC Format")
    retry = config.destination().retry
    assert [retry.delay(n) for n in range(1, 8)] == [2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 120.0]
    assert (retry.max_retries, config.timeout, config.verify_ssl) == (5, 30, True)


def test_example_2_is_signed(reading: Reading, send: Any) -> None:
    received = send(reading.block("Example 2: Custom Endpoint with HMAC").made["config"])
    signature = hmac.new(b"your-secret-key", received.body, hashlib.sha256).hexdigest()
    assert received.header("X-Signature") == signature
    assert received.path == "/security/events"


def test_example_3_gets_a_token(reading: Reading, send: Any) -> None:
    received = send(reading.block("Example 3: Datadog with OAuth2").made["config"])
    assert received.header("Authorization") == "Bearer fake-token"
    assert json.loads(received.body)["alert_type"] == "warning"


def test_a_longer_timeout(reading: Reading) -> None:
    config = reading.block("Issue: Webhook Timeouts").made["config"]
    assert config.destination().timeout == 60
    assert config.destination().retry.initial_delay == 5.0


def test_ssl_verification_on_and_off(reading: Reading, send: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert send(reading.block("2. Enable SSL Verification").made["config"])
    with pytest.warns(WebhookSecurityWarning, match="verify_ssl=False") as caught:
        assert send(reading.block("Issue: SSL Certificate Errors").made["config"])
    assert len(caught) == 1
