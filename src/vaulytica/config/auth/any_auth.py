"""What `WebhookConfig(auth=…)` takes: settings, or a scheme of the user's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import WrapSerializer, WrapValidator

from vaulytica.config.auth.foreign import is_auth
from vaulytica.config.auth.types import WebhookAuthType
from vaulytica.config.auth.webhook_auth import WebhookAuth
from vaulytica.delivery.ports import Auth


def is_of(auth: WebhookAuth | Auth, type: WebhookAuthType) -> bool:
    """Whether it is of that type, which no scheme of the user's own is."""
    return isinstance(auth, WebhookAuth) and auth.auth_type == type


def _validated(value: Any, settings: Callable[[Any], WebhookAuth]) -> WebhookAuth | Auth:
    if value is None:
        return WebhookAuth()
    if is_auth(value):
        return value  # type: ignore[no-any-return]  # what is_auth has looked at
    if not isinstance(value, (WebhookAuth, Mapping)):
        raise ValueError(  # noqa: TRY004 - pydantic makes a setting's error of this one only
            "must be a WebhookAuth, or have name, header_names, flow and secrets"
        )
    return settings(value)


def _written(value: WebhookAuth | Auth, settings: Callable[[Any], Any]) -> Any:
    return settings(value) if isinstance(value, WebhookAuth) else {"auth_type": value.name}


if TYPE_CHECKING:
    AnyAuth = WebhookAuth | Auth
else:
    AnyAuth = Annotated[WebhookAuth, WrapValidator(_validated), WrapSerializer(_written)]
