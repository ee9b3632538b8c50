"""IntakeSettings: how events get in."""

from __future__ import annotations

import re
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from vaulytica.config.settings import Seconds, Settings
from vaulytica.events import SOURCE, Severity
from vaulytica.relay.listen import Listen, is_loopback
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
    idle_seconds: Seconds = Field(60.0, ge=1, le=3600)  # whole ones, by uvicorn


class LineSettings(Settings):
    """What the lines of a file or a stream are, by `as`: `events`, `json` (an event's data), or `text`.

    Of the last two the relay makes events of this `type`, `severity` and `source`.
    """

    as_: Literal["events", "json", "text"] = Field("events", alias="as")
    type: str = Field("log_line", min_length=1)
    severity: Severity = Severity.INFO
    source: str = Field(SOURCE, min_length=1)

    @field_validator("severity", mode="before")
    @classmethod
    def _any_case(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value


class TailSettings(LineSettings):
    """Files to follow. `path`: one, or a glob; `begin`: where a file is begun that was there at the first start."""

    path: str = Field(min_length=1)
    begin: Literal["start", "end"] = "start"

    @field_validator("path")
    @classmethod
    def _whole(cls, value: str) -> str:
        if not value.startswith("/"):
            raise ValueError("is a whole path, from / on")
        return value


class SocketSettings(LineSettings):
    """A Unix socket, for HTTP and for lines. `mode`: of its file, as for chmod; who may write to it needs no token."""

    path: str = Field(min_length=1)
    mode: str = "0660"

    @field_validator("mode", mode="before")
    @classmethod
    def _octal(cls, value: Any) -> Any:
        if not isinstance(value, str) or re.fullmatch("0?[0-7]{3}", value) is None:
            raise ValueError('is as for chmod, in quotes, such as "0660"')
        return value


class IntakeSettings(Settings):
    """The `intake` of the relay's config. In a file, each of `tokens` is a reference, as all secrets are.

    `listen`: HOST:PORT of the relay's HTTP server. Without `tokens` everybody who reaches it may put
    events in, so it may listen on loopback only, unless `anonymous` says that this is meant. `stdin`:
    true, or what its lines are. `socket`: its path, or more of it. `tail`: files to follow.
    """

    listen: Listen | None = None
    tokens: tuple[SecretStr, ...] = ()
    anonymous: bool = False
    stdin: LineSettings | None = None
    socket: SocketSettings | None = None
    tail: tuple[TailSettings, ...] = ()
    limits: IntakeLimits = Field(default_factory=IntakeLimits)

    @field_validator("stdin", mode="before")
    @classmethod
    def _yes(cls, value: Any) -> Any:
        return {True: {}, False: None}[value] if isinstance(value, bool) else value

    @field_validator("socket", mode="before")
    @classmethod
    def _path_only(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if self.tokens or self.anonymous or self.listen is None or is_loopback(self.listen):
            return self
        raise ValueError(
            f"tokens: {self.listen} can be reached by others, who could put in what they like; "
            "set tokens, or anonymous: true"
        )
