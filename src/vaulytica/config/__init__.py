"""The guide's words, validated, and turned into a `Destination` made of parts: the only place that knows both.

Secrets are `SecretStr`; a config shows none of them in repr, dumps or errors, and refuses to be pickled.
"""

from vaulytica.config.auth import WebhookAuth, WebhookAuthType
from vaulytica.config.batch import WebhookBatchConfig, WebhookRateLimit
from vaulytica.config.egress import WebhookEgress
from vaulytica.config.format_names import WebhookFormat
from vaulytica.config.retry import WebhookRetryConfig
from vaulytica.config.tls import WebhookTLS
from vaulytica.config.webhook import WebhookConfig

__all__ = [
    "WebhookAuth",
    "WebhookAuthType",
    "WebhookBatchConfig",
    "WebhookConfig",
    "WebhookEgress",
    "WebhookFormat",
    "WebhookRateLimit",
    "WebhookRetryConfig",
    "WebhookTLS",
]
