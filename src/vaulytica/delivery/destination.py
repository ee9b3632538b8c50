"""Destination: a named place events go to, ready to use: URL, headers, format, auth, retry policy, limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import repeat
from typing import Protocol

from vaulytica.delivery.batching import Batch
from vaulytica.delivery.pace import PaceSettings
from vaulytica.delivery.policy import RetryPolicy
from vaulytica.delivery.ports import Addressed, Auth, Confirmed, Format, Limits
from vaulytica.delivery.redaction import HoldsSecrets, redact
from vaulytica.delivery.request import MAX_ANSWER_BYTES, Header, Request
from vaulytica.jsonvalues import MAX_BYTES


class Compress(Protocol):
    """Makes bodies smaller; `encoding` is what Content-Encoding calls it."""

    encoding: str

    def __call__(self, body: bytes) -> bytes:
        """The same body, in fewer bytes."""


@dataclass(frozen=True, slots=True)
class Destination(HoldsSecrets):
    """Built from a `WebhookConfig`, or by hand from parts. `name` is what messages call it.

    `secrets` are texts no message may hold; `id_headers` name the headers that carry the event's id;
    `headers` go with every request. `batch_limits` take the place of the format's own. `max_wait`,
    `patience`: seconds that an event waits for its batch to be full; that a busy destination is borne.
    `addressed`, `confirmed`: the format, if it is such a one.
    """

    name: str
    url: str = field(repr=False)
    format: Format
    auth: Auth = field(repr=False)
    headers: tuple[Header, ...] = field(default=(), repr=False)
    id_headers: tuple[str, ...] = ("Webhook-Id", "Idempotency-Key")
    retry: RetryPolicy = RetryPolicy()
    timeout: float = 30.0
    max_event_bytes: int = MAX_BYTES
    secrets: tuple[str, ...] = field(default=(), repr=False)
    batch_limits: Limits | None = None
    max_wait: float = 1.0
    ordered: bool = False
    patience: float = 300.0
    pace: PaceSettings = PaceSettings()
    compress: Compress | None = None
    addressed: Addressed | None = field(init=False, repr=False, compare=False)
    confirmed: Confirmed | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:  # asked once, as isinstance is slow with a protocol
        format = self.format
        object.__setattr__(self, "addressed", format if isinstance(format, Addressed) else None)
        object.__setattr__(self, "confirmed", format if isinstance(format, Confirmed) else None)

    @property
    def limits(self) -> Limits:
        """The most one request may carry."""
        return self.batch_limits or self.format.limits

    @property
    def max_part_bytes(self) -> int:
        """The most one event may take of a request."""
        return min(self.max_event_bytes, self.limits.max_bytes - self.limits.fixed)

    @property
    def width(self) -> int:
        """Batches under way at a time: more than requests, where a batch also waits to be confirmed."""
        if self.ordered:
            return 1
        return self.pace.concurrency * (1 if self.confirmed is None else _WAITING_FOR_EACH)

    def request(self, batch: Batch) -> Request:
        """The request for a batch, before auth: the same id headers at every attempt."""
        headers = (*self.headers, *zip(self.id_headers, repeat(batch.id), strict=False))
        url, format, body = self.url, self.format, batch.body(self.format)
        if self.addressed is not None:
            url, more = self.addressed.address(url, batch)
            headers += more
        if self.compress is not None:
            body = self.compress(body)
            headers += (("Content-Encoding", self.compress.encoding),)
        room = getattr(format, "answer_bytes", MAX_ANSWER_BYTES)
        return Request(url, headers, body, self.timeout, answer_bytes=room)

    def redact(self, text: str) -> str:
        """The text with every known secret replaced: a destination may echo what it was sent."""
        return redact(text, (*self.secrets, *self.auth.secrets()))


_WAITING_FOR_EACH = 4  # batches taken but not confirmed, for each request in flight
