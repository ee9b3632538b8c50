"""WebhookBatchConfig and WebhookRateLimit: how much goes in one request, and how much in a second."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from vaulytica.config.settings import Seconds, Settings
from vaulytica.delivery.ports import Limits

_GIB = 1024**3


class WebhookBatchConfig(Settings):
    """How events are put together: each limit is the format's own unless given.

    `as` (in Python also `as_`): `array` or `ndjson`, for formats that have one document an event.
    `max_wait`: seconds that an event of a stream waits at most for its batch to be full.
    """

    model_config = ConfigDict(populate_by_name=True)

    max_events: int | None = Field(None, ge=1, le=1_000_000)
    max_bytes: int | None = Field(None, ge=1, le=_GIB)
    max_wait: Seconds = Field(1.0, ge=0, le=86400)
    as_: Literal["array", "ndjson"] | None = Field(None, alias="as")

    def limits(self, own: Limits) -> Limits:
        """The format's own limits, with these in their place where they are given.

        A format that carries one event a request carries one.
        """
        return Limits(
            own.max_events if own.max_events == 1 else self.max_events or own.max_events,
            self.max_bytes or own.max_bytes,
            own.fixed,
            own.between,
        )


class WebhookRateLimit(Settings):
    """The most that is sent to a destination in a second, over all calls of one sender."""

    events_per_second: float | None = Field(None, gt=0, le=1e9, allow_inf_nan=False)
    bytes_per_second: float | None = Field(None, gt=0, le=1e12, allow_inf_nan=False)
