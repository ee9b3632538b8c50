"""The auth types, and which settings each of them uses."""

from __future__ import annotations

from enum import StrEnum


class WebhookAuthType(StrEnum):
    """How a request proves who sent it."""

    NONE = "none"
    API_KEY = "api_key"
    BEARER_TOKEN = "bearer_token"  # noqa: S105 - a name, not a secret
    BASIC_AUTH = "basic_auth"
    DIGEST = "digest"
    HEADERS = "headers"
    HMAC_SHA256 = "hmac_sha256"
    STANDARD_WEBHOOKS = "standard_webhooks"
    GITHUB = "github"
    STRIPE = "stripe"
    SLACK = "slack"
    AWS_SIGV4 = "aws_sigv4"
    OAUTH2 = "oauth2"


ALIASES = {"bearer": "bearer_token", "basic": "basic_auth", "hmac": "hmac_sha256"}

# What a type's credentials are made of, and nothing can be instead. OAuth2's clients have several ways.
AUTH_NEEDS: dict[str, tuple[str, ...]] = {
    WebhookAuthType.NONE: (),
    WebhookAuthType.API_KEY: ("api_key",),
    WebhookAuthType.BEARER_TOKEN: ("bearer_token",),
    WebhookAuthType.BASIC_AUTH: ("username", "password"),
    WebhookAuthType.DIGEST: ("username", "password"),
    WebhookAuthType.HEADERS: ("auth_headers",),
    WebhookAuthType.HMAC_SHA256: ("hmac_secret",),
    WebhookAuthType.STANDARD_WEBHOOKS: ("hmac_secret",),
    WebhookAuthType.GITHUB: ("hmac_secret",),
    WebhookAuthType.STRIPE: ("hmac_secret",),
    WebhookAuthType.SLACK: ("hmac_secret",),
    WebhookAuthType.AWS_SIGV4: ("aws_access_key_id", "aws_secret_access_key", "aws_region"),
    WebhookAuthType.OAUTH2: (),
}

# For each type its settings, and what its scheme's class calls them. Where several types fit the
# settings given and none is named, the first of them is meant.
AUTH_SETTINGS: dict[str, dict[str, str]] = {
    WebhookAuthType.NONE: {},
    WebhookAuthType.API_KEY: {"api_key": "api_key", "api_key_header": "header"},
    WebhookAuthType.BEARER_TOKEN: {"bearer_token": "token"},
    WebhookAuthType.BASIC_AUTH: {"username": "username", "password": "password"},
    WebhookAuthType.DIGEST: {"username": "username", "password": "password"},
    WebhookAuthType.HEADERS: {"auth_headers": "headers", "auth_secrets": "secrets"},
    WebhookAuthType.HMAC_SHA256: {"hmac_secret": "secret", "hmac_header": "header"},
    WebhookAuthType.STANDARD_WEBHOOKS: {"hmac_secret": "secrets"},
    WebhookAuthType.GITHUB: {"hmac_secret": "secret"},
    WebhookAuthType.STRIPE: {"hmac_secret": "secrets"},
    WebhookAuthType.SLACK: {"hmac_secret": "secret"},
    WebhookAuthType.AWS_SIGV4: {
        "aws_access_key_id": "access_key_id",
        "aws_secret_access_key": "secret_access_key",
        "aws_region": "region",
        "aws_service": "service",
        "aws_session_token": "session_token",
    },
    WebhookAuthType.OAUTH2: {
        "oauth2_token_url": "token_url",
        "oauth2_client_id": "client_id",
        "oauth2_client_secret": "client_secret",
        "oauth2_client_auth": "client_auth",
        "oauth2_private_key": "private_key",
        "oauth2_key_id": "key_id",
        "oauth2_assertion_audience": "assertion_audience",
        "oauth2_service_account": "service_account",
        "oauth2_scope": "scope",
        "oauth2_audience": "audience",
        "oauth2_params": "params",
    },
}
