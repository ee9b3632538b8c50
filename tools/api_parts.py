"""What docs/API_REFERENCE.md holds, in order: see `api_reference.py`."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any, TypeAlias

from vaulytica import jsonvalues, streams, testing
from vaulytica.auth.fixed import FixedHeaderAuth
from vaulytica.delivery import (
    attempt,
    batching,
    check,
    destination,
    flow,
    lane,
    outcome,
    pace,
    policy,
    ports,
    report,
    request,
    run,
    standing,
)
from vaulytica.driver import aio, sync
from vaulytica.errors import AuthFailure, FailureKind, SignatureError, SignatureProblem
from vaulytica.formats.document import DocumentFormat, Layout
from vaulytica.integrations import logging, webhook
from vaulytica.lines import Line
from vaulytica.receiving import asgi, guard, receiver, replays, seen, verification, wsgi
from vaulytica.receiving import fastapi as receiving_fastapi
from vaulytica.registry import Table
from vaulytica.transport.memory import AsyncMemoryTransport, MemoryTransport

Item: TypeAlias = type | Callable[..., Any]

HEAD = """\
# API Reference

Made from the source by `python tools/api_reference.py`; changes belong there.

Names are imported from `vaulytica.integrations.webhook`, unless another module is named. What is
neither on this page nor in the other pages of the documentation is not public, and may change.
"""

PARTS: dict[str, tuple[str, list[Item]]] = {
    "Sending": (
        "What users call. See the [guide](WEBHOOK_GUIDE.md).",
        [webhook.WebhookSender, webhook.AsyncWebhookSender, webhook.Stream, webhook.AsyncStream],
    ),
    "Configuration": (
        "Settings are checked when a config is built, and cannot be changed afterwards.",
        [
            webhook.WebhookConfig,
            webhook.WebhookAuth,
            webhook.WebhookRetryConfig,
            webhook.WebhookTLS,
            webhook.WebhookEgress,
            webhook.WebhookBatchConfig,
            webhook.WebhookRateLimit,
            webhook.WebhookFormat,
            webhook.WebhookAuthType,
            webhook.SecretRef,
        ],
    ),
    "Events": ("", [webhook.Event, webhook.Severity]),
    "Logging": (
        "In `vaulytica.integrations.logging`. See [Intake](INTAKE.md#pythons-logging).",
        [logging.VaulyticaHandler],
    ),
    "Results": (
        "",
        [
            webhook.Report,
            report.Counts,
            webhook.Result,
            webhook.Delivered,
            webhook.Rejected,
            webhook.Deferred,
            webhook.Reason,
            outcome.ReasonKind,
            standing.Left,
            check.CheckReport,
            check.Step,
            check.StepState,
        ],
    ),
    "Errors": (
        "",
        [
            webhook.WebhookError,
            webhook.WebhookConfigError,
            webhook.WebhookEventError,
            webhook.WebhookAuthError,
            webhook.WebhookRejectedError,
            webhook.WebhookTLSError,
            webhook.WebhookEgressError,
            webhook.WebhookExhaustedError,
            webhook.WebhookSecurityWarning,
        ],
    ),
    "For authors of formats, auth schemes and transports": (
        "See [Architecture](ARCHITECTURE.md) for how these fit together, with examples.",
        [
            ports.Format,
            ports.Limits,
            ports.Lined,
            ports.Grouped,
            ports.Addressed,
            ports.Confirmed,
            ports.Healthy,
            DocumentFormat,
            Layout,
            outcome.outcome_of_status,
            batching.Batch,
            batching.Item,
            Line,
            ports.Auth,
            FixedHeaderAuth,
            AuthFailure,
            testing.AuthCase,
            webhook.Transport,
            webhook.AsyncTransport,
            webhook.Request,
            webhook.Response,
            request.Probe,
            request.Certificate,
            webhook.TransportFailure,
            FailureKind,
            MemoryTransport,
            AsyncMemoryTransport,
            webhook.SecretProvider,
            Table,
        ],
    ),
    "Flows and drivers": (
        "What delivers, for those who drive it themselves.",
        [
            destination.Destination,
            lane.Lane,
            policy.RetryPolicy,
            pace.Pace,
            pace.PaceSettings,
            pace.Signal,
            pace.Heard,
            flow.deliver,
            report.Settlement,
            attempt.attempt,
            attempt.Attempt,
            ports.Send,
            ports.Wait,
            ports.Alone,
            ports.Connect,
            ports.Turn,
            ports.send,
            ports.wait,
            ports.alone,
            ports.connect,
            ports.turn,
            ports.Clock,
            policy.Random,
            sync.Driver,
            aio.AsyncDriver,
        ],
    ),
    "Receiving": (
        "",
        [
            verification.verify,
            verification.Verifier,
            verification.Verified,
            SignatureError,
            SignatureProblem,
            replays.once,
            seen.SeenIds,
            seen.Seen,
            seen.MemorySeenIds,
            seen.SQLiteSeenIds,
            seen.SeenIdsFull,
            guard.Guard,
            asgi.SignatureASGIMiddleware,
            wsgi.SignatureWSGIMiddleware,
            receiving_fastapi.signed,
            receiver.Receiver,
            receiver.Received,
            receiver.Answer,
            receiver.Misbehaviour,
        ],
    ),
}


# Names that stand for longer types in the signatures above.
ALIASES: dict[str, types.ModuleType] = {
    "Outcome": outcome,
    "Header": request,
    "OnResult": run,
    "Effect": ports,
    "Flow": ports,
    "Sleep": sync,
    "AsyncSleep": aio,
    "OnReport": streams,
    "Dumps": jsonvalues,
}
