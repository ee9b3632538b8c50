"""WebhookAuth: all auth settings in one flat model, and the scheme made of them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pydantic import SecretStr, field_serializer, field_validator, model_validator

from vaulytica.auth import SCHEMES
from vaulytica.config.auth.fixed import FixedSettings
from vaulytica.config.auth.foreign import foreign_scheme
from vaulytica.config.auth.oauth2 import OAuth2Settings
from vaulytica.config.auth.signatures import SignatureSettings
from vaulytica.config.auth.types import ALIASES, AUTH_SETTINGS, WebhookAuthType
from vaulytica.config.settings import Settings
from vaulytica.delivery.ports import Auth
from vaulytica.delivery.redaction import REDACTED, HoldsSecrets
from vaulytica.errors import WebhookConfigError, did_you_mean
from vaulytica.urls import origin


class _Type(Settings):
    auth_type: str = WebhookAuthType.NONE
    settings: dict[str, Any] | None = None


# The last base's fields come first.
class WebhookAuth(HoldsSecrets, OAuth2Settings, SignatureSettings, FixedSettings, _Type):
    """Credentials for one scheme; a scheme with its secret missing raises `WebhookConfigError`.

    `settings` are those of a scheme that others have added by entry point.
    """

    @field_validator("auth_type", mode="wrap")
    @classmethod
    def _known_type(cls, value: Any, _: Any) -> str:
        name = str(value).lower() if value is not None else ""
        name = ALIASES.get(name, name)
        if name in list(WebhookAuthType):
            return WebhookAuthType(name)
        if name not in SCHEMES:
            known = dict.fromkeys((*WebhookAuthType, *SCHEMES.names()))
            near = did_you_mean(name, [*known, *ALIASES])
            raise ValueError(f"unknown auth type; known are {', '.join(known)}{near}")
        return name

    @model_validator(mode="after")
    def _complete(self) -> WebhookAuth:
        for name, field in type(self).model_fields.items():
            used = name == "auth_type" or name in self._uses()
            if not used and getattr(self, name) != field.default:  # it would be left out in silence
                raise WebhookConfigError(
                    f"{name} is given, but auth_type {self.auth_type} has no use for it"
                )
        self.scheme(api_key=self.revealed("api_key"), timeout=30.0)
        return self

    @field_serializer("auth_headers", "auth_secrets", "oauth2_params", "settings")
    def _hide_values(self, value: dict[str, Any] | None) -> dict[str, Any] | None:
        return value and dict.fromkeys(value, REDACTED)

    def __repr_args__(self) -> Any:
        fields = type(self).model_fields
        for name, value in super().__repr_args__():
            if isinstance(value, dict):
                yield name, dict.fromkeys(value, REDACTED)
            elif value != fields[str(name)].default or name == "auth_type":
                yield name, origin(value) if name == "oauth2_token_url" else value

    def revealed(self, name: str) -> Any:
        """A setting as plain text, or as a list or a mapping of texts."""
        return _plain(getattr(self, name))

    def _uses(self) -> Collection[str]:
        return AUTH_SETTINGS.get(self.auth_type, ("settings",))

    def scheme(self, *, api_key: str | None, timeout: float) -> Auth:
        """The scheme, made of plain arguments; raises `WebhookConfigError` where one is missing."""
        uses = AUTH_SETTINGS.get(self.auth_type)
        if uses is None:
            return foreign_scheme(self.auth_type, self.revealed("settings") or {})
        arguments = {
            argument: api_key if setting == "api_key" else self.revealed(setting)
            for setting, argument in uses.items()
        }
        if self.auth_type == WebhookAuthType.OAUTH2:
            arguments["timeout"] = timeout
        made: Auth = SCHEMES.load(self.auth_type)(**arguments)
        return made


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value.get_secret_value() if isinstance(value, SecretStr) else value
