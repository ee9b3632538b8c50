"""WebhookRetryConfig: when to try again, in the guide's words."""

from __future__ import annotations

from pydantic import Field

from vaulytica.config.settings import Seconds, Settings
from vaulytica.delivery.policy import RetryPolicy

_WEEK = 7 * 86400.0


class WebhookRetryConfig(Settings):
    """When to try again, in seconds: the guide's retry table, and bounds on the whole."""

    max_retries: int = Field(3, ge=0, le=1_000_000)
    initial_delay: Seconds = Field(1.0, ge=0, le=_WEEK)
    max_delay: Seconds = Field(60.0, ge=0, le=_WEEK)
    exponential_base: Seconds = Field(2.0, ge=1, le=1000)
    jitter: bool = True
    retry_after_cap: Seconds = Field(3600.0, ge=0, le=_WEEK)
    deadline: Seconds | None = Field(None, gt=0, le=52 * _WEEK)

    def policy(self) -> RetryPolicy:
        """The pure policy with these numbers."""
        return RetryPolicy(**self.model_dump())
