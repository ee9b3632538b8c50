"""IntakeSettings: how events get in."""

from __future__ import annotations

from pydantic import SecretStr

from vaulytica.config.settings import Settings


class IntakeSettings(Settings):
    """The `intake` of the relay's config. In a file, each of `tokens` is a reference, as all secrets are.

    `listen`: HOST:PORT of the relay's HTTP server.
    """

    listen: str | None = None
    tokens: tuple[SecretStr, ...] = ()
