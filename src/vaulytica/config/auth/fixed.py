"""Settings of the schemes whose credentials are the same in every request, and of Digest's."""

from __future__ import annotations

from pydantic import SecretStr

from vaulytica.config.settings import Settings


class FixedSettings(Settings):
    """For `api_key`, `bearer_token`, `basic_auth`, `digest`, `headers`."""

    api_key: SecretStr | None = None
    api_key_header: str = "X-API-Key"
    bearer_token: SecretStr | None = None
    username: str | None = None
    password: SecretStr | None = None
    auth_headers: dict[str, SecretStr] | None = None
    auth_secrets: dict[str, SecretStr] | None = None
