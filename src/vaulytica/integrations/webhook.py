"""The guide's import path: `from vaulytica.integrations.webhook import WebhookSender, WebhookConfig, …`."""

from vaulytica.config import (
    WebhookAuth,
    WebhookAuthType,
    WebhookBatchConfig,
    WebhookConfig,
    WebhookEgress,
    WebhookFormat,
    WebhookRateLimit,
    WebhookRetryConfig,
    WebhookTLS,
)
from vaulytica.delivery.outcome import Deferred, Delivered, Reason, Rejected, Result
from vaulytica.delivery.ports import AsyncTransport, Transport
from vaulytica.delivery.report import Report
from vaulytica.delivery.request import Request, Response
from vaulytica.errors import (
    TransportFailure,
    WebhookAuthError,
    WebhookConfigError,
    WebhookEgressError,
    WebhookError,
    WebhookEventError,
    WebhookExhaustedError,
    WebhookRejectedError,
    WebhookSecurityWarning,
    WebhookTLSError,
)
from vaulytica.events import Event, Severity
from vaulytica.secrets import SecretProvider, SecretRef
from vaulytica.sender import AsyncWebhookSender, WebhookSender
from vaulytica.streams import AsyncStream, Stream

__all__ = [
    "AsyncStream",
    "AsyncTransport",
    "AsyncWebhookSender",
    "Deferred",
    "Delivered",
    "Event",
    "Reason",
    "Rejected",
    "Report",
    "Request",
    "Response",
    "Result",
    "SecretProvider",
    "SecretRef",
    "Severity",
    "Stream",
    "Transport",
    "TransportFailure",
    "WebhookAuth",
    "WebhookAuthError",
    "WebhookAuthType",
    "WebhookBatchConfig",
    "WebhookConfig",
    "WebhookConfigError",
    "WebhookEgress",
    "WebhookEgressError",
    "WebhookError",
    "WebhookEventError",
    "WebhookExhaustedError",
    "WebhookFormat",
    "WebhookRateLimit",
    "WebhookRejectedError",
    "WebhookRetryConfig",
    "WebhookSecurityWarning",
    "WebhookSender",
    "WebhookTLS",
    "WebhookTLSError",
]
