"""Destination: a named place events go to, ready to use: URL, headers, format, auth, retry policy, limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import repeat

from vaulytica.delivery.batching import Batch
from vaulytica.delivery.policy import RetryPolicy
from vaulytica.delivery.ports import Auth, Format
from vaulytica.delivery.redaction import HoldsSecrets, redact
from vaulytica.delivery.request import Header, Request
from vaulytica.jsonvalues import MAX_BYTES


@dataclass(frozen=True, slots=True)
class Destination(HoldsSecrets):
    """Built from a `WebhookConfig`, or by hand from parts. `name` is what messages call it.

    `secrets` are texts no message may hold; `id_headers` name the headers that carry the event's id;
    `headers` go with every request.
    """

    name: str
    url: str = field(repr=False)
    format: Format
    auth: Auth = field(repr=False)
    headers: tuple[Header, ...] = field(default=(), repr=False)
    id_headers: tuple[str, ...] = ("Webhook-Id", "Idempotency-Key")
    retry: RetryPolicy = RetryPolicy()
    timeout: float = 30.0
    concurrency: int = 8
    max_event_bytes: int = MAX_BYTES
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def request(self, batch: Batch) -> Request:
        """The request for a batch, before auth: the same id headers at every attempt."""
        headers = (*self.headers, *zip(self.id_headers, repeat(batch.id), strict=False))
        return Request(self.url, headers, batch.body(self.format), self.timeout)

    def redact(self, text: str) -> str:
        """The text with every known secret replaced: a destination may echo what it was sent."""
        return redact(text, (*self.secrets, *self.auth.secrets()))
