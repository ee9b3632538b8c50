"""IntakeSettings: how events get in."""

from __future__ import annotations

import ipaddress
from typing import Self

from pydantic import Field, SecretStr, model_validator

from vaulytica.config.settings import Seconds, Settings
from vaulytica.relay.sizes import Size


class IntakeLimits(Settings):
    """What one request, and one connection, may ask of the relay.

    `body`: bytes of a request's body, also after inflating it. `events`: of one request. `event`:
    bytes of one. `connections`: at a time; when there are more, the one idle for longest is closed.
    `header_seconds`, `body_seconds`: until a request's head, and its body, have to be there; a body
    has a second more for each KiB that has come. `idle_seconds`: between two requests.
    """

    body: Size = 10 * 1024 * 1024
    events: int = Field(50_000, ge=1)
    event: Size = 1024 * 1024
    connections: int = Field(10_000, ge=1)
    header_seconds: Seconds = Field(10.0, gt=0, le=3600)
    body_seconds: Seconds = Field(20.0, gt=0, le=3600)
    idle_seconds: Seconds = Field(60.0, gt=0, le=3600)


class IntakeSettings(Settings):
    """The `intake` of the relay's config. In a file, each of `tokens` is a reference, as all secrets are.

    `listen`: HOST:PORT of the relay's HTTP server. Without `tokens` everybody who reaches it may put
    events in, so it may listen on loopback only, unless `anonymous` says that this is meant.
    """

    listen: str | None = None
    tokens: tuple[SecretStr, ...] = ()
    anonymous: bool = False
    limits: IntakeLimits = Field(default_factory=IntakeLimits)

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if self.tokens or self.anonymous or self.listen is None or _is_loopback(self.listen):
            return self
        raise ValueError(
            f"tokens: {self.listen} can be reached by others, who could put in what they like; "
            "set tokens, or anonymous: true"
        )


def _is_loopback(listen: str) -> bool:
    host = listen.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
