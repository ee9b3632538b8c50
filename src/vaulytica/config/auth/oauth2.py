"""Settings of OAuth2."""

from __future__ import annotations

from pydantic import SecretStr, field_serializer, field_validator

from vaulytica.config.settings import Settings
from vaulytica.urls import checked_url, origin, split_userinfo


class OAuth2Settings(Settings):
    """For `oauth2`: a client that proves itself in one of four ways, or a service account."""

    oauth2_token_url: str | None = None
    oauth2_client_id: str | None = None
    oauth2_client_secret: SecretStr | None = None
    oauth2_client_auth: str | None = None
    oauth2_private_key: SecretStr | None = None
    oauth2_key_id: str | None = None
    oauth2_assertion_audience: str | None = None
    oauth2_service_account: SecretStr | None = None
    oauth2_scope: str | None = None
    oauth2_audience: str | None = None
    oauth2_params: dict[str, str | SecretStr | list[str | SecretStr]] | None = None

    @field_validator("oauth2_token_url")
    @classmethod
    def _valid_url(cls, value: str | None) -> str | None:
        if value is not None:
            value = checked_url(value, "oauth2_token_url")
            if split_userinfo(value)[1] is not None:
                raise ValueError("must not hold userinfo; give oauth2_client_id and _secret")
        return value

    @field_serializer("oauth2_token_url")
    def _hide_url(self, value: str | None) -> str | None:
        return value and origin(value)
