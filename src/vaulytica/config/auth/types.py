"""The auth types, and which settings each of them uses."""

from __future__ import annotations

from enum import StrEnum


class WebhookAuthType(StrEnum):
    """How a request proves who sent it."""

    NONE = "none"
    API_KEY = "api_key"
    BEARER_TOKEN = "bearer_token"  # noqa: S105 - a name, not a secret
    BASIC_AUTH = "basic_auth"
    HMAC_SHA256 = "hmac_sha256"
    STANDARD_WEBHOOKS = "standard_webhooks"
    GITHUB = "github"
    STRIPE = "stripe"
    SLACK = "slack"
    OAUTH2 = "oauth2"


ALIASES = {"bearer": "bearer_token", "basic": "basic_auth", "hmac": "hmac_sha256"}

# For each type its settings, and what its scheme's class calls them. Where several types fit the
# settings given and none is named, the first of them is meant.
AUTH_SETTINGS: dict[str, dict[str, str]] = {
    WebhookAuthType.NONE: {},
    WebhookAuthType.API_KEY: {"api_key": "api_key", "api_key_header": "header"},
    WebhookAuthType.BEARER_TOKEN: {"bearer_token": "token"},
    WebhookAuthType.BASIC_AUTH: {"username": "username", "password": "password"},
    WebhookAuthType.HMAC_SHA256: {"hmac_secret": "secret", "hmac_header": "header"},
    WebhookAuthType.STANDARD_WEBHOOKS: {"hmac_secret": "secrets"},
    WebhookAuthType.GITHUB: {"hmac_secret": "secret"},
    WebhookAuthType.STRIPE: {"hmac_secret": "secrets"},
    WebhookAuthType.SLACK: {"hmac_secret": "secret"},
    WebhookAuthType.OAUTH2: {
        "oauth2_token_url": "token_url",
        "oauth2_client_id": "client_id",
        "oauth2_client_secret": "client_secret",
    },
}
