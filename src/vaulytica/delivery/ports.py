"""Ports: what the heart needs of others. A format, auth scheme or transport is anything that fits these."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from vaulytica.delivery.outcome import Outcome
from vaulytica.delivery.request import Probe, Request, Response
from vaulytica.events import Event

if TYPE_CHECKING:
    from vaulytica.delivery.batching import Batch

T = TypeVar("T")


# --- Effects: what a flow asks its driver for.


class Send(msgspec.Struct, frozen=True):
    """Make this request; answered with a `Response`, or a `TransportFailure` is thrown in."""

    request: Request


class Wait(msgspec.Struct, frozen=True):
    """Let so many seconds pass, because of `why`."""

    seconds: float
    why: str


class Alone(msgspec.Struct, frozen=True):
    """Run this flow while no other flow of the same driver runs one; answered with what it returns."""

    flow: Flow[Any]


class Connect(msgspec.Struct, frozen=True):
    """Only open a connection to this URL; answered with a `Probe`, or a `TransportFailure` is thrown in."""

    url: str
    timeout: float


Effect = Send | Wait | Alone | Connect
Flow = Generator[Effect, Any, T]

# A generator's send type is Any; these helpers give each effect its own answer's type.


def send(request: Request) -> Flow[Response]:
    """Make this request and get the answer."""
    response: Response = yield Send(request)
    return response


def wait(seconds: float, why: str) -> Flow[None]:
    """Let so many seconds pass."""
    yield Wait(seconds, why)


def alone(flow: Flow[T]) -> Flow[T]:
    """Run a flow that only one caller may be in, such as a token refresh."""
    result: T = yield Alone(flow)
    return result


def connect(url: str, timeout: float) -> Flow[Probe | None]:
    """Open a connection only; None where the transport cannot."""
    probe: Probe | None = yield Connect(url, timeout)
    return probe


# --- The parts a destination is made of.


class Limits(msgspec.Struct, frozen=True):
    """The most one request may carry: events (1 = one at a time) and bytes of body."""

    max_events: int = 1
    max_bytes: int = 1024**3


class Format(Protocol):
    """A wire format owns both directions: how events are written, and what the answer means for each.

    One in the table is made by `Class(dumps=…)`: `dumps` writes JSON as bytes, so that bodies that
    are signed can be written the way that the guide's verifier does.
    """

    name: str
    content_type: str
    limits: Limits

    def encode(self, event: Event) -> bytes:
        """One event's bytes; raises `WebhookEventError` if this event cannot be written."""

    def join(self, parts: Sequence[bytes]) -> bytes:
        """The body: what is signed is these bytes, and these bytes are sent."""

    def settle(self, response: Response, batch: Batch) -> list[Outcome]:
        """One outcome for each event of the batch, in order."""


class Auth(Protocol):
    """An auth scheme is a flow around the sending of a request: it adds what it must, and may send again."""

    name: str
    header_names: tuple[str, ...]

    def flow(self, request: Request, now: float) -> Flow[Response]:
        """Send the request with credentials; `now` in seconds since 1970. May raise `AuthFailure`."""

    def secrets(self) -> Sequence[str]:
        """The texts that must never show, as they would appear on the wire."""


class Transport(Protocol):
    """Makes requests, one call each; safe to call from many threads. Raises `TransportFailure`."""

    def send(self, request: Request) -> Response:
        """Make the request within `request.timeout` seconds, following no redirect."""

    def close(self) -> None:
        """Drop all connections."""


class AsyncTransport(Protocol):
    """The same for asyncio."""

    async def send(self, request: Request) -> Response:
        """Make the request within `request.timeout` seconds, following no redirect."""

    async def aclose(self) -> None:
        """Drop all connections."""


class Clock(Protocol):
    """Where the time comes from: the `time` module, or a clock the test owns."""

    def time(self) -> float:
        """Seconds since 1970."""

    def monotonic(self) -> float:
        """Seconds that only ever grow."""
