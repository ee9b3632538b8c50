"""The guide's import path: `from vaulytica.integrations.webhook import WebhookSender, WebhookConfig, …`."""

from vaulytica.config import (
    WebhookAuth,
    WebhookAuthType,
    WebhookConfig,
    WebhookFormat,
    WebhookRetryConfig,
)
from vaulytica.delivery.outcome import Deferred, Delivered, Reason, Rejected, Report, Result
from vaulytica.delivery.ports import AsyncTransport, Transport
from vaulytica.delivery.request import Request, Response
from vaulytica.errors import (
    TransportFailure,
    WebhookAuthError,
    WebhookConfigError,
    WebhookError,
    WebhookEventError,
    WebhookExhaustedError,
    WebhookRejectedError,
    WebhookSecurityWarning,
    WebhookTLSError,
)
from vaulytica.events import Event, Severity
from vaulytica.sender import AsyncWebhookSender, WebhookSender

__all__ = [
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
    "Severity",
    "Transport",
    "TransportFailure",
    "WebhookAuth",
    "WebhookAuthError",
    "WebhookAuthType",
    "WebhookConfig",
    "WebhookConfigError",
    "WebhookError",
    "WebhookEventError",
    "WebhookExhaustedError",
    "WebhookFormat",
    "WebhookRejectedError",
    "WebhookRetryConfig",
    "WebhookSecurityWarning",
    "WebhookSender",
    "WebhookTLSError",
]
