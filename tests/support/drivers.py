"""The sync and the async sender behind one sync face, so that both run over the same table of cases."""

from __future__ import annotations

import asyncio
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


class Sync:
    """WebhookSender; `waits` is what it would have slept, unless `patient`, when it does sleep."""

    def __init__(self, config: WebhookConfig, *, patient: bool = False, **parts: Any) -> None:
        self.waits: list[float] = []
        if not patient:
            parts["sleep"] = self.waits.append
        self.sender: Any = WebhookSender(config, **parts)

    def send_event(self, *arguments: Any, **more: Any) -> bool:
        return self.sender.send_event(*arguments, **more)

    def send_batch(self, events: Iterable[object], **more: Any) -> Report:
        return self.sender.send_batch(events, **more)

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
        self.waits: list[float] = []

        async def sleep(seconds: float) -> None:
            self.waits.append(seconds)

        if not patient:
            parts["sleep"] = sleep
        self.sender: Any = AsyncWebhookSender(config, **parts)
        self.runner = asyncio.Runner()

    def send_event(self, *arguments: Any, **more: Any) -> bool:
        return self.runner.run(self.sender.send_event(*arguments, **more))

    def send_batch(self, events: Iterable[object], **more: Any) -> Report:
        return self.runner.run(self.sender.send_batch(events, **more))

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
    """A config with a short time-out and retries that take no time."""
    settings.setdefault("timeout", 2.0)
    settings.setdefault(
        "retry_config", WebhookRetryConfig(max_retries=retries, initial_delay=0.0, jitter=False)
    )
    return WebhookConfig(url=url, **settings)
