"""The sync and the async sender behind one sync face, so that both run over the same table of cases."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

from vaulytica.integrations.webhook import (
    AsyncWebhookSender,
    Report,
    WebhookConfig,
    WebhookRetryConfig,
    WebhookSender,
)

KINDS = ("sync", "async")


class Skipping:
    """The machine's clock, and all that was slept, which took no time."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self._skipped = 0.0

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self._skipped += seconds

    def time(self) -> float:
        return time.time() + self._skipped

    def monotonic(self) -> float:
        return time.monotonic() + self._skipped


class Sync:
    """WebhookSender; `waits` is what it would have slept, unless `patient`, when it does sleep."""

    def __init__(self, config: WebhookConfig, *, patient: bool = False, **parts: Any) -> None:
        clock = Skipping()
        self.waits = clock.waits
        if not patient:
            parts = {"sleep": clock.sleep, "clock": clock} | parts
        self.sender: Any = WebhookSender(config, **parts)

    def send_event(self, *arguments: Any, **more: Any) -> bool:
        return self.sender.send_event(*arguments, **more)

    def send_batch(self, events: Iterable[object], **more: Any) -> Report:
        return self.sender.send_batch(events, **more)

    def send_stream(self, events: Iterable[object], **more: Any) -> tuple[Report, list[Report]]:
        """The total, and the reports as they came."""
        reports: list[Report] = []
        return self.sender.send_stream(events, **more).run(reports.append), reports

    def test_connection(self) -> bool:
        return self.sender.test_connection()

    def check(self) -> Any:
        return self.sender.check()

    def close(self) -> None:
        self.sender.close()

    finish = close


class Async:
    """AsyncWebhookSender, each call run to its end on one loop."""

    def __init__(self, config: WebhookConfig, *, patient: bool = False, **parts: Any) -> None:
        clock = Skipping()
        self.waits = clock.waits

        async def sleep(seconds: float) -> None:
            clock.sleep(seconds)

        if not patient:
            parts = {"sleep": sleep, "clock": clock} | parts
        self.sender: Any = AsyncWebhookSender(config, **parts)
        self.runner = asyncio.Runner()

    def send_event(self, *arguments: Any, **more: Any) -> bool:
        return self.runner.run(self.sender.send_event(*arguments, **more))

    def send_batch(self, events: Iterable[object], **more: Any) -> Report:
        return self.runner.run(self.sender.send_batch(events, **more))

    def send_stream(self, events: Iterable[object], **more: Any) -> tuple[Report, list[Report]]:
        async def run() -> tuple[Report, list[Report]]:
            reports: list[Report] = []
            return await self.sender.send_stream(events, **more).run(reports.append), reports

        return self.runner.run(run())

    def test_connection(self) -> bool:
        return self.runner.run(self.sender.test_connection())

    def check(self) -> Any:
        return self.runner.run(self.sender.check())

    def close(self) -> None:
        self.runner.run(self.sender.aclose())

    def finish(self) -> None:
        self.close()
        self.runner.close()


Sending = Sync | Async


def sending(kind: str, config: WebhookConfig, **more: Any) -> Sending:
    return (Sync if kind == "sync" else Async)(config, **more)


def config_for(url: str, *, retries: int = 2, **settings: Any) -> WebhookConfig:
    """A config whose retries take no time; no test is meant to come near its time-out."""
    settings.setdefault("timeout", 60.0)
    settings.setdefault(
        "retry_config", WebhookRetryConfig(max_retries=retries, initial_delay=0.0, jitter=False)
    )
    return WebhookConfig(url=url, **settings)
