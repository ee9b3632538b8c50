"""Auth settings of options and config files put together, so that none of them is left out in silence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vaulytica.errors import WebhookConfigError

_SECRET_OF = {"api_key_header": "api_key", "hmac_header": "hmac_secret"}
_REPEATED = {
    "auth_headers": "--auth-header", "auth_secrets": "--auth-secret",
    "oauth2_params": "--oauth2-param", "settings": "--auth-setting",
}  # fmt: skip


def option_name(setting: str) -> str:
    """What an auth setting is called on the command line."""
    return _REPEATED.get(setting, f"--{setting.replace('_', '-')}")


def merged_auth(file: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """The options over the file's settings, and the type told from them where it is not said.

    Options of another type than the file's take its place altogether. Settings that the type does
    not use, or that are of no use without a secret, are refused: they would silently do nothing.
    """
    names = {name: option_name(name) for name in options}
    given, types = options, _types(options, names)
    if not types or set(types) & set(_types(file, {})):
        given = file | options
        types = _types(given, names)
    for name, secret in _SECRET_OF.items():
        if given.get(name) is not None and given.get(secret) is None:
            shown = option_name(secret) if name in names else secret
            raise WebhookConfigError(f"{names.get(name, name)} is given, but {shown} is missing")
    return given | {"auth_type": given.get("auth_type") or next(iter(types), "none")}


def _types(auth: dict[str, Any], names: dict[str, str]) -> list[str]:
    """The types that use all these settings, the one meant first; none where nothing is set."""
    from vaulytica.config.auth import ALIASES, AUTH_SETTINGS

    said = auth.get("auth_type")
    if said is None and auth.get("settings") is not None:
        type = option_name("auth_type") if "settings" in names else "auth_type"
        raise WebhookConfigError(
            f"{names.get('settings', 'settings')} is given, but {type} is missing"
        )
    settings = _given(auth)
    if said is None:
        types = [str(type) for type, its in AUTH_SETTINGS.items() if its.keys() >= set(settings)]
        if not types:
            shown = ", ".join(names.get(name, name) for name in settings)
            raise WebhookConfigError(f"these credentials are of several auth types: {shown}")
        return types if settings else []
    for _, what in unused(auth, names):
        raise WebhookConfigError(what)
    said = str(said).lower()
    return [ALIASES.get(said, said)]


def unused(auth: dict[str, Any], names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Each setting that the type which is said has no use for, and what to say of that."""
    from vaulytica.config.auth import ALIASES, AUTH_SETTINGS

    said = str(auth.get("auth_type")).lower()
    type = ALIASES.get(said, said)
    for name in _given(auth) if type in AUTH_SETTINGS else ():
        if name not in AUTH_SETTINGS[type]:
            users = ", ".join(type for type, its in AUTH_SETTINGS.items() if name in its)
            users = users or "those of other packages"
            shown = names.get(name, name)
            yield name, f"{shown} is not used by auth type {said}, but by {users}"


def _given(auth: dict[str, Any]) -> list[str]:
    return [name for name in auth if name != "auth_type" and auth[name] is not None]
