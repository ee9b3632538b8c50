"""WebhookAuth: credentials, in the guide's words."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import SecretStr, field_serializer, field_validator, model_validator

from vaulytica.auth import SCHEMES
from vaulytica.config.settings import Settings
from vaulytica.delivery.ports import Auth
from vaulytica.delivery.redaction import HoldsSecrets
from vaulytica.errors import WebhookConfigError
from vaulytica.urls import checked_url, origin, split_userinfo


class WebhookAuthType(StrEnum):
    """How a request proves who sent it."""

    NONE = "none"
    API_KEY = "api_key"
    BEARER_TOKEN = "bearer_token"  # noqa: S105 - a name, not a secret
    BASIC_AUTH = "basic_auth"
    HMAC_SHA256 = "hmac_sha256"
    OAUTH2 = "oauth2"


# The settings that each type uses, in the order of its scheme's arguments.
AUTH_SETTINGS: dict[WebhookAuthType, tuple[str, ...]] = {
    WebhookAuthType.NONE: (),
    WebhookAuthType.API_KEY: ("api_key", "api_key_header"),
    WebhookAuthType.BEARER_TOKEN: ("bearer_token",),
    WebhookAuthType.BASIC_AUTH: ("username", "password"),
    WebhookAuthType.HMAC_SHA256: ("hmac_secret", "hmac_header"),
    WebhookAuthType.OAUTH2: ("oauth2_token_url", "oauth2_client_id", "oauth2_client_secret"),
}
_ALIASES = {"bearer": "bearer_token", "basic": "basic_auth", "hmac": "hmac_sha256"}


class WebhookAuth(HoldsSecrets, Settings):
    """Credentials for one scheme; a scheme with its secret missing raises `WebhookConfigError`."""

    auth_type: WebhookAuthType = WebhookAuthType.NONE
    api_key: SecretStr | None = None
    api_key_header: str = "X-API-Key"
    bearer_token: SecretStr | None = None
    username: str | None = None
    password: SecretStr | None = None
    hmac_secret: SecretStr | None = None
    hmac_header: str = "X-Signature"
    oauth2_token_url: str | None = None
    oauth2_client_id: str | None = None
    oauth2_client_secret: SecretStr | None = None

    @field_validator("auth_type", mode="before")
    @classmethod
    def _known_type(cls, value: Any) -> Any:
        name = str(value).lower() if value is not None else ""
        name = _ALIASES.get(name, name)
        if name not in list(WebhookAuthType):
            raise ValueError(f"unknown auth type; known are {', '.join(WebhookAuthType)}")
        return name

    @field_validator("oauth2_token_url")
    @classmethod
    def _valid_url(cls, value: str | None) -> str | None:
        if value is not None:
            value = checked_url(value, "oauth2_token_url")
            if split_userinfo(value)[1] is not None:
                raise ValueError("must not hold userinfo; give oauth2_client_id and _secret")
        return value

    @model_validator(mode="after")
    def _complete(self) -> WebhookAuth:
        for name, field in type(self).model_fields.items():
            used = name == "auth_type" or name in AUTH_SETTINGS[self.auth_type]
            if not used and getattr(self, name) != field.default:  # it would be left out in silence
                raise WebhookConfigError(
                    f"{name} is given, but auth_type {self.auth_type} has no use for it"
                )
        self.scheme(api_key=self.revealed("api_key"), timeout=30.0)
        return self

    @field_serializer("oauth2_token_url")
    def _hide_url(self, value: str | None) -> str | None:
        return value and origin(value)

    def __repr_args__(self) -> Any:
        for name, value in super().__repr_args__():
            if value is not None:
                yield name, origin(value) if name == "oauth2_token_url" else value

    def revealed(self, name: str) -> str | None:
        """A setting as plain text."""
        value: SecretStr | str | None = getattr(self, name)
        return value.get_secret_value() if isinstance(value, SecretStr) else value

    def scheme(self, *, api_key: str | None, timeout: float) -> Auth:
        """The scheme, made of plain arguments; raises `WebhookConfigError` where one is missing."""
        arguments = [
            api_key if name == "api_key" else self.revealed(name)
            for name in AUTH_SETTINGS[self.auth_type]
        ]
        extra = {"timeout": timeout} if self.auth_type is WebhookAuthType.OAUTH2 else {}
        made: Auth = SCHEMES.load(self.auth_type)(*arguments, **extra)
        return made
