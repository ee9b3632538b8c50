"""Batches, rates, order and compression in the config, and what becomes of them in the destination."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from support.heart import batch_of, guide_event, refusal
from vaulytica.config import WebhookBatchConfig, WebhookConfig, WebhookRetryConfig
from vaulytica.errors import WebhookConfigError

URL = "https://siem.example.com/in"
HEC = "https://splunk.example.com:8088/services/collector/event"


def made(**settings: Any) -> Any:
    return WebhookConfig(**({"url": URL} | settings)).destination()


def test_one_event_a_request_unless_batches_are_asked_for() -> None:
    assert made().limits.max_events == 1
    assert made(batch={"max_events": 50}).limits.max_events == 50
    assert made(batch={"as": "ndjson"}).limits.max_events > 1


def test_what_is_asked_for_takes_the_place_of_the_formats_own_limits() -> None:
    own = made(format="splunk_hec").limits
    mine = made(format="splunk_hec", batch={"max_events": 7, "max_bytes": 999, "max_wait": 0.5})
    assert (mine.limits.max_events, mine.limits.max_bytes, mine.max_wait) == (7, 999, 0.5)
    assert mine.limits.between == own.between
    assert mine.max_part_bytes == 999


@pytest.mark.parametrize(
    ("settings", "body", "kind"),
    [
        ({"max_events": 2}, "[{},{}]", "application/json"),
        ({"as": "array"}, "[{},{}]", "application/json"),
        ({"as": "ndjson"}, "{}\n{}\n", "application/x-ndjson"),
    ],
)
def test_an_array_unless_lines_are_asked_for(
    settings: dict[str, Any], body: str, kind: str
) -> None:
    to = made(batch=settings, format="custom", custom_template_func=lambda _: {})
    request = to.request(batch_of(to.format, guide_event(), guide_event()))
    assert (request.body.decode(), dict(request.headers)["Content-Type"]) == (body, kind)


def test_up_to_hard_limits_all_may_be_asked_for() -> None:
    own = made(format="datadog_logs").limits
    assert (own.max_events, own.max_bytes, own.hard) == (1000, 5_000_000, True)
    asked = {"max_events": 1000, "max_bytes": 5_000_000}
    assert made(format="datadog_logs", batch=asked).limits == own
    assert made(format="datadog", batch={"max_events": 1}).limits.max_events == 1


def test_as_is_a_word_of_pythons_own() -> None:
    assert WebhookBatchConfig(as_="array") == WebhookBatchConfig(**{"as": "array"})


BAD: list[tuple[dict[str, Any], str]] = [
    ({"batch": {"max_events": 0}}, "batch: max_events"),
    ({"batch": {"max_bytes": -1}}, "batch: max_bytes"),
    ({"batch": {"max_wait": float("nan")}}, "batch: max_wait"),
    ({"batch": {"as": "csv"}}, "batch: as"),
    ({"batch": {"size": 3}}, "batch: size"),
    ({"format": "splunk_hec", "batch": {"as": "array"}}, "splunk_hec has its own way"),
    ({"format": "datadog", "batch": {"as": "array"}}, "datadog has its own way"),
    ({"format": "elastic", "batch": {"max_events": 2}}, "a url that ends in /_bulk takes more"),
    ({"format": "datadog_logs", "batch": {"max_events": 1001}},
     "max_events is 1001, over the limit of datadog_logs, 1000 a request"),
    ({"format": "datadog_logs", "batch": {"max_bytes": 5_000_001}},
     "max_bytes is 5000001, over the limit of datadog_logs, 5000000 a request"),
    ({"rate_limit": {"events_per_second": 0}}, "rate_limit: events_per_second"),
    ({"rate_limit": {"bytes_per_second": float("inf")}}, "rate_limit: bytes_per_second"),
    ({"patience": -1}, "patience"),
    ({"compression": "brotli"}, "compression"),
    ({"format_options": {"index": "main"}}, "json has none"),
    ({"format": "splunk_hec", "format_options": {"indx": "main"}}, "known are index"),
    ({"format": "splunk_hec", "format_options": {"ack": "yes"}}, "format_options: Expected `bool`"),
    ({"url": HEC, "format": "splunk_hec", "headers": {"X-Splunk-Request-Channel": "x"},
      "format_options": {"ack": True}}, "clashes with the one set by the format"),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "why"), BAD, ids=[why for _, why in BAD])
def test_a_wrong_setting_is_refused_and_named(settings: dict[str, Any], why: str) -> None:
    message = refusal(WebhookConfigError, lambda: WebhookConfig(**({"url": URL} | settings)))
    assert message is not None
    assert why in message


def test_a_site_by_name_is_a_url() -> None:
    to = WebhookConfig(format="datadog_logs", format_options={"site": "us5"}).destination()
    assert to.url == "https://http-intake.logs.us5.datadoghq.com/api/v2/logs"
    assert WebhookConfig(format="datadog", format_options={"site": "eu"}).destination().url == (
        "https://api.datadoghq.eu/api/v1/events"
    )


@pytest.mark.parametrize("settings", [{}, {"format": "datadog_logs"}, {"format": "splunk_hec"}])
def test_without_a_site_there_must_be_a_url(settings: dict[str, Any]) -> None:
    with pytest.raises(WebhookConfigError, match="url: missing"):
        WebhookConfig(**settings)


def test_a_compressed_body_says_so() -> None:
    to = made(compression="gzip")
    batch = batch_of(to.format, guide_event())
    request = to.request(batch)
    assert dict(request.headers)["Content-Encoding"] == "gzip"
    assert gzip.decompress(request.body) == batch.body(to.format)
    assert "Content-Encoding" not in dict(made().request(batch).headers)


def test_a_signature_is_over_the_bytes_that_are_sent() -> None:
    auth = {"auth_type": "hmac_sha256", "hmac_secret": "fake-secret"}
    to = made(compression="gzip", auth=auth, batch={"as": "array"})
    batch = batch_of(to.format, guide_event(), guide_event())
    request = to.request(batch)
    plain = gzip.decompress(request.body)
    assert json.dumps(json.loads(plain), sort_keys=True).encode() == plain
    effect = next(to.auth.flow(request, 0.0))
    assert effect.request.body == request.body


def test_the_pace_keeps_to_the_settings() -> None:
    to = made(
        concurrency=3,
        rate_limit={"events_per_second": 5, "bytes_per_second": 6},
        retry_config=WebhookRetryConfig(retry_after_cap=7),
        patience=9,
    )
    pace = to.pace
    assert (pace.concurrency, pace.events_per_second, pace.bytes_per_second) == (3, 5, 6)
    assert (pace.max_hold, to.patience, to.ordered, to.width) == (7, 9, False, 3)
    assert made(ordered=True).width == 1


def test_batches_that_wait_to_be_confirmed_leave_room_for_others() -> None:
    plain = made(format="splunk_hec")
    confirmed = made(url=HEC, format="splunk_hec", format_options={"ack": True})
    assert confirmed.width > plain.width == 8


@pytest.mark.parametrize(
    "settings",
    [
        {"format": "datadog"},
        {"format": "elastic", "url": "https://search.example.com/logs/_doc"},
        {"format": "splunk_hec", "auth": {"auth_type": "hmac_sha256", "hmac_secret": "fake"}},
    ],
    ids=str,
)
def test_a_format_that_carries_one_event_carries_one(settings: dict[str, Any]) -> None:
    assert made(batch={"max_bytes": 5000}, **settings).limits.max_events == 1
    asked = {"url": URL, "batch": {"max_events": 2}} | settings
    message = refusal(WebhookConfigError, lambda: WebhookConfig(**asked))
    assert f"{settings['format']} takes one event a request" in str(message)
