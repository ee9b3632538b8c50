"""Auth settings that are mappings, of options and of config files, with what they refer to put in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vaulytica.cli.credentials.references import header_value, secret
from vaulytica.errors import WebhookConfigError

_PLACE = re.compile(r"\{\w+\}", re.ASCII)
NAMES = ("auth_headers", "auth_secrets", "oauth2_params", "settings")


def _resolved(setting: str, name: str, value: Any, what: str, **how: Any) -> Any:
    """The value, or what it refers to; where it is a secret, or is called one, only the latter."""
    if setting == "auth_secrets":
        return secret(value, what, **how)
    if setting == "auth_headers" and isinstance(value, str) and _PLACE.search(value):
        return value  # a template with a place for a secret is none itself
    if isinstance(value, list):
        return [_resolved(setting, name, each, what, **how) for each in value]
    return header_value(name, value, what, **how)


def resolved(
    auth: Mapping[str, Any], base: Path, settings: Sequence[str] = NAMES
) -> dict[str, Any]:
    """The mappings among a config file's auth settings; relative `file:` paths are read from `base`."""
    return {
        setting: {
            name: _resolved(
                setting, str(name), value, f"auth.{setting}.{name}", base=base, prompt=False
            )
            for name, value in auth[setting].items()
        }
        for setting in settings
        if isinstance(auth.get(setting), Mapping)
    }


def made_of(setting: str, option: str, items: Sequence[str]) -> dict[str, Any]:
    """The mapping that a repeated option makes: `NAME=VALUE`, or for headers `Name: value`."""
    made: dict[str, Any] = {}
    mark, form = (":", "'Name: value'") if setting == "auth_headers" else ("=", "NAME=VALUE")
    for item in items:
        name, found, text = item.partition(mark)
        name = name.strip()
        if not found or not name:
            raise WebhookConfigError(f"{option} is written {form}")
        text = text.strip() if setting == "auth_headers" else text
        value = _resolved(setting, name, text, f"{option} {name}")
        if setting == "oauth2_params" and name in made:  # one such as resource may be repeated
            before = made[name]
            value = [*(before if isinstance(before, list) else [before]), value]
        elif name in made:
            raise WebhookConfigError(f"{option} {name} is given twice")
        made[name] = value
    return made
