"""Auth settings of options and config files put together, so that none of them is left out in silence."""

from __future__ import annotations

from typing import Any

from vaulytica.errors import WebhookConfigError

AUTH_SECRETS = ("api_key", "bearer_token", "password", "hmac_secret", "oauth2_client_secret")
AUTH_PLAIN = (
    "auth_type", "api_key_header", "username", "hmac_header", "oauth2_token_url", "oauth2_client_id",
)  # fmt: skip
_SECRET_OF = {"api_key_header": "api_key", "hmac_header": "hmac_secret"}


def option_name(setting: str) -> str:
    """What an auth setting is called on the command line."""
    return f"--{setting.replace('_', '-')}"


def merged_auth(file: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """The options over the file's settings, and the type told from them where it is not said.

    Options of another type than the file's take its place altogether. Settings that the type does
    not use, or that are of no use without a secret, are refused: they would silently do nothing.
    """
    names = {name: option_name(name) for name in options}
    given, type = options, _type(options, names)
    if type is None or type == _type(file, {}):
        given = file | options
        type = _type(given, names)
    for name, secret in _SECRET_OF.items():
        if given.get(name) is not None and given.get(secret) is None:
            shown = option_name(secret) if name in names else secret
            raise WebhookConfigError(f"{names.get(name, name)} is given, but {shown} is missing")
    return given | {"auth_type": given.get("auth_type") or type or "none"}


def _type(auth: dict[str, Any], names: dict[str, str]) -> str | None:
    """The one type that all these settings are of; None where there are none."""
    from vaulytica.config.auth import AUTH_SETTINGS

    type_of = {str(name): str(type) for type, all in AUTH_SETTINGS.items() for name in all}
    types = {
        type: names.get(name, name) for name, type in type_of.items() if auth.get(name) is not None
    }
    said = auth.get("auth_type")
    if said is None and len(types) > 1:
        shown = ", ".join(types)
        raise WebhookConfigError(f"these credentials are of several auth types: {shown}")
    if said is None:
        return next(iter(types), None)
    said = str(said).lower()
    # "bearer" is short for "bearer_token".
    full = next((type for type in type_of.values() if said and type.startswith(said)), said)
    for type, name in types.items():
        if type != full:
            raise WebhookConfigError(f"{name} is not used by auth type {said}, but by {type}")
    return full
