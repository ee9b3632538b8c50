"""WebhookAuth: credentials in the guide's words. A file for each group of settings; `types` says who uses which."""

from vaulytica.config.auth.any_auth import AnyAuth, is_of
from vaulytica.config.auth.types import ALIASES, AUTH_NEEDS, AUTH_SETTINGS, WebhookAuthType
from vaulytica.config.auth.webhook_auth import WebhookAuth

__all__ = [
    "ALIASES",
    "AUTH_NEEDS",
    "AUTH_SETTINGS",
    "AnyAuth",
    "WebhookAuth",
    "WebhookAuthType",
    "is_of",
]
