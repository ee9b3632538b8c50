"""Auth schemes that are not ours: an object of the user's own, or a class that an entry point names."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from vaulytica.auth import SCHEMES
from vaulytica.delivery.ports import Auth
from vaulytica.errors import WebhookConfigError


def is_auth(value: object) -> bool:
    """Whether it has all that the port `Auth` asks for."""
    names = getattr(value, "header_names", None)
    return (
        isinstance(getattr(value, "name", None), str)
        and isinstance(names, tuple)
        and all(isinstance(name, str) for name in names)
        and all(callable(getattr(value, method, None)) for method in ("flow", "secrets"))
        and not isinstance(value, type)
    )


def foreign_scheme(name: str, settings: Mapping[str, Any]) -> Auth:
    """The scheme that others have added under that name; raises `WebhookConfigError`, without values."""
    try:
        made_by = SCHEMES.load(name)
    except (ImportError, AttributeError) as error:
        raise WebhookConfigError(
            f"auth type {name} cannot be loaded: {type(error).__name__}"
        ) from None
    try:
        parameters = inspect.signature(made_by).parameters
    except (TypeError, ValueError):
        raise WebhookConfigError(f"auth type {name} is no class of an auth scheme") from None
    names = [
        key for key, p in parameters.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    ]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    if not takes_any and not settings.keys() <= set(names):
        raise WebhookConfigError(
            f"settings: auth type {name} has no setting of that name; known are {', '.join(names)}"
        )
    for key in names:
        if parameters[key].default is inspect.Parameter.empty and key not in settings:
            raise WebhookConfigError(f"settings: {key} is missing for auth type {name}")
    try:
        made: Auth = made_by(**settings)
    except WebhookConfigError:
        raise
    except Exception as error:  # noqa: BLE001 - a stranger's; its text may repeat a secret
        raise WebhookConfigError(
            f"settings: auth type {name} refused them: {type(error).__name__}"
        ) from None
    if not is_auth(made):
        raise WebhookConfigError(f"auth type {name} makes no auth scheme: see the port Auth")
    return made
