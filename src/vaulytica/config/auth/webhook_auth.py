"""WebhookAuth: all auth settings in one flat model, and the scheme made of them."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr, field_validator, model_validator

from vaulytica.auth import SCHEMES
from vaulytica.config.auth.fixed import FixedSettings
from vaulytica.config.auth.oauth2 import OAuth2Settings
from vaulytica.config.auth.signatures import SignatureSettings
from vaulytica.config.auth.types import ALIASES, AUTH_SETTINGS, WebhookAuthType
from vaulytica.config.settings import Settings
from vaulytica.delivery.ports import Auth
from vaulytica.delivery.redaction import HoldsSecrets
from vaulytica.errors import WebhookConfigError
from vaulytica.urls import origin


class _Type(Settings):
    auth_type: WebhookAuthType = WebhookAuthType.NONE


# The last base's fields come first.
class WebhookAuth(HoldsSecrets, OAuth2Settings, SignatureSettings, FixedSettings, _Type):
    """Credentials for one scheme; a scheme with its secret missing raises `WebhookConfigError`."""

    @field_validator("auth_type", mode="before")
    @classmethod
    def _known_type(cls, value: Any) -> Any:
        name = str(value).lower() if value is not None else ""
        name = ALIASES.get(name, name)
        if name not in list(WebhookAuthType):
            raise ValueError(f"unknown auth type; known are {', '.join(WebhookAuthType)}")
        return name

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

    def __repr_args__(self) -> Any:
        for name, value in super().__repr_args__():
            if value is not None:
                yield name, origin(value) if name == "oauth2_token_url" else value

    def revealed(self, name: str) -> Any:
        """A setting as plain text, or as a list of texts."""
        value = getattr(self, name)
        if isinstance(value, tuple):
            return [one.get_secret_value() for one in value]
        return value.get_secret_value() if isinstance(value, SecretStr) else value

    def scheme(self, *, api_key: str | None, timeout: float) -> Auth:
        """The scheme, made of plain arguments; raises `WebhookConfigError` where one is missing."""
        arguments = {
            argument: api_key if setting == "api_key" else self.revealed(setting)
            for setting, argument in AUTH_SETTINGS[self.auth_type].items()
        }
        if self.auth_type is WebhookAuthType.OAUTH2:
            arguments["timeout"] = timeout
        made: Auth = SCHEMES.load(self.auth_type)(**arguments)
        return made
