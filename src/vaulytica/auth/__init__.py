"""Auth schemes, one file each. To add one: a file here, a line in `SCHEMES`, its settings in `config.auth`."""

from vaulytica.registry import Table

SCHEMES = Table(
    "auth type",
    "vaulytica.auth",
    {
        "none": "vaulytica.auth.none:NoAuth",
        "api_key": "vaulytica.auth.api_key:ApiKeyAuth",
        "bearer_token": "vaulytica.auth.bearer:BearerAuth",
        "basic_auth": "vaulytica.auth.basic:BasicAuth",
        "digest": "vaulytica.auth.digest:DigestAuth",
        "headers": "vaulytica.auth.headers:HeadersAuth",
        "hmac_sha256": "vaulytica.auth.hmac_sha256:HmacSha256Auth",
        "standard_webhooks": "vaulytica.auth.standard_webhooks:StandardWebhooksAuth",
        "github": "vaulytica.auth.github:GitHubAuth",
        "stripe": "vaulytica.auth.stripe:StripeAuth",
        "slack": "vaulytica.auth.slack:SlackAuth",
        "aws_sigv4": "vaulytica.auth.aws_sigv4:AwsSigV4Auth",
        "oauth2": "vaulytica.auth.oauth2:OAuth2Auth",
    },
)
