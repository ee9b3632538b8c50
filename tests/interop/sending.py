"""Sends the same events in two ways: from Python as events, and by the command as lines of a file."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vaulytica.delivery.report import Report
from vaulytica.integrations.webhook import WebhookConfig, WebhookSender

Outcomes = dict[str, str]  # by the event's id: delivered, rejected, deferred


def by_library(config: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> Report:
    """`send_batch`, which reads mappings."""
    with WebhookSender(WebhookConfig(**config)) as sender:
        return sender.send_batch(events)


def by_command(
    config: Mapping[str, Any], events: Sequence[Mapping[str, Any]], folder: Path
) -> Outcomes:
    """`vaulytica send`, which reads lines and leaves their data as it is, where it can."""
    file, settings, report = folder / "in.ndjson", folder / "to.json", folder / "report.ndjson"
    file.write_text("".join(f"{json.dumps(e, ensure_ascii=False)}\n" for e in events), "utf-8")
    settings.write_text(json.dumps({"destinations": {"real": dict(config)}}), "utf-8")
    options = ["--config", settings, "--to", "real", "--report", report]
    command = [sys.executable, "-m", "vaulytica", "send", file, *options]
    subprocess.run(list(map(str, command)), check=False, timeout=100, capture_output=True)
    lines = map(json.loads, report.read_text("utf-8").splitlines())
    return {line["id"]: line["outcome"] for line in lines}
