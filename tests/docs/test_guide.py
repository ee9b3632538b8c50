"""The guide: its tables and functions hold, and it has all that the original guide has."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from support.docs.pages import ROOT, Page
from support.docs.runner import Runner
from vaulytica.integrations.webhook import WebhookConfig, WebhookRetryConfig, WebhookSender

GUIDE = ROOT / "docs/WEBHOOK_GUIDE.md"
BLOCKS = ROOT / "tests/guide/blocks.md"  # the original's blocks, as they are
ORIGINAL = ROOT.parent / "shared/seed/WEBHOOK_GUIDE.md"
# The original's epoch seconds are not those of its own timestamp, 2025-10-29T12:00:00Z.
CORRECTIONS = {"1730217600": "1761739200"}


def test_retry_table_is_the_policys() -> None:
    rows = re.findall(
        r"^\| (\d+) +\| ([\d.]+)s(?: \(capped\))? +\| ([\d.]+)s - ([\d.]+)s(?: \(capped\))?\s*\|$",
        GUIDE.read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    policy = WebhookRetryConfig(max_retries=len(rows)).policy()

    assert len(rows) == 7
    for retry, delay, low, high in rows:
        assert policy.delay(int(retry)) == float(delay) == float(high) == 2 * float(low)


def test_every_json_block_is_a_payload_that_is_compared() -> None:
    blocks = [block for block in Page(GUIDE).blocks if block.language == "json"]

    assert len(blocks) >= 8
    assert [block.line for block in blocks if not block.before.startswith("**Payload")] == []


def test_both_verifications_of_the_guide_hold(run_page: Callable[[Page], Runner]) -> None:
    runner = run_page(Page(GUIDE))
    auth = runner.namespace["auth"]  # the last one of the page: HMAC
    config = WebhookConfig(url="https://api.example.com/events", auth=auth)
    with WebhookSender(config) as sender:
        sender.send_event("naïve", {"b": 1.5, "a": ["é", None, {"z": 1, "y": 2}]}, "error")
    received = runner.receivers.received[-1]
    signature, secret = received.header("X-Signature"), "your-secret-key"

    assert runner.namespace["verify_raw"](received.body, signature, secret)
    assert runner.namespace["verify_signature"](json.loads(received.body), signature, secret)
    assert not runner.namespace["verify_raw"](received.body + b" ", signature, secret)
    assert not runner.namespace["verify_signature"](json.loads(received.body), signature, "other")


def test_all_blocks_of_the_original_are_there_in_order() -> None:
    ours = [squeezed(block.text) for block in Page(GUIDE).blocks]
    position = 0
    for block in Page(BLOCKS).blocks:
        text = squeezed(block.text)
        assert text in ours[position:], f"line {block.line} of the original"
        position = ours.index(text, position) + 1


@pytest.mark.skipif(not ORIGINAL.exists(), reason="the original guide is not here")
def test_all_headings_of_the_original_are_there_in_order() -> None:
    ours = headings(GUIDE.read_text(encoding="utf-8"))
    position = 0
    for heading in headings(ORIGINAL.read_text(encoding="utf-8")):
        assert heading in ours[position:], heading
        position = ours.index(heading, position) + 1


def squeezed(text: str) -> str:
    for wrong, right in CORRECTIONS.items():
        text = text.replace(wrong, right)
    return " ".join(text.split())


def headings(text: str) -> list[str]:
    without_code = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^#+ (.+)$", without_code, re.MULTILINE)
