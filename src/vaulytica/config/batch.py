"""WebhookBatchConfig and WebhookRateLimit: how much goes in one request, and how much in a second."""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace
from pydantic import ConfigDict, Field

from vaulytica.config.settings import Seconds, Settings
from vaulytica.delivery.ports import Format, Limits
from vaulytica.errors import WebhookConfigError

_GIB = 1024**3


class WebhookBatchConfig(Settings):
    """How events are put together: each limit is the format's own unless given, and may exceed only some of these.

    `as` (in Python also `as_`): `array` or `ndjson`, for formats that have one document an event.
    `max_wait`: seconds that an event of a stream waits at most for its batch to be full.
    """

    model_config = ConfigDict(populate_by_name=True)

    max_events: int | None = Field(None, ge=1, le=1_000_000)
    max_bytes: int | None = Field(None, ge=1, le=_GIB)
    max_wait: Seconds = Field(1.0, ge=0, le=86400)
    as_: Literal["array", "ndjson"] | None = Field(None, alias="as")

    def limits(self, format: Format) -> Limits:
        """The format's own limits, with these in their place where they are given.

        Raises `WebhookConfigError` where they exceed what cannot be exceeded.
        """
        own = format.limits
        given = {n: v for n in ("max_events", "max_bytes") if (v := getattr(self, n)) is not None}
        if own.max_events == 1 < given.get("max_events", 1):
            more = (
                "; a url that ends in /_bulk takes more" if hasattr(format, "bulk_limits") else ""
            )
            raise WebhookConfigError(
                f"batch: max_events is {self.max_events}, but {format.name} takes one event a request "
                f"with this url and auth{more}"
            )
        for name, value in given.items():
            if own.hard and value > getattr(own, name):
                raise WebhookConfigError(
                    f"batch: {name} is {value}, over the limit of {format.name}, {getattr(own, name)} "
                    "a request"
                )
        return replace(own, **given)


class WebhookRateLimit(Settings):
    """The most that is sent to a destination in a second, over all calls of one sender."""

    events_per_second: float | None = Field(None, gt=0, le=1e9, allow_inf_nan=False)
    bytes_per_second: float | None = Field(None, gt=0, le=1e12, allow_inf_nan=False)
