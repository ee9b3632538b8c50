"""Ports: what the heart needs of others. A format, auth scheme or transport is anything that fits these."""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

import msgspec

from vaulytica.delivery.outcome import Outcome
from vaulytica.delivery.request import Header, Probe, Request, Response
from vaulytica.events import Event
from vaulytica.lines import Lines, Written

if TYPE_CHECKING:
    from vaulytica.delivery.batching import Batch
    from vaulytica.delivery.lane import Lane

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


class Turn(msgspec.Struct, frozen=True):
    """Call `ask` while no other flow of the same driver is in a turn; answered when it gives 0.

    While it gives seconds, let that many pass, or until another turn has ended, and ask again.
    """

    ask: Callable[[], float]


Effect = Send | Wait | Alone | Connect | Turn
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


def turn(ask: Callable[[], float]) -> Flow[None]:
    """Look at or change what flows share, one at a time; see `Turn`."""
    yield Turn(ask)


def connect(url: str, timeout: float) -> Flow[Probe | None]:
    """Open a connection only; None where the transport cannot."""
    probe: Probe | None = yield Connect(url, timeout)
    return probe


# --- The parts a destination is made of.


class Limits(msgspec.Struct, frozen=True):
    """The most one request may carry: events (1 = one at a time) and bytes of body, uncompressed.

    `fixed` and `between`: the bytes that `join` adds to the parts, once, and between any two. `hard`:
    no setting may exceed them.
    """

    max_events: int = 1
    max_bytes: int = 1024**3
    fixed: int = 0
    between: int = 0
    hard: bool = False


class Format(Protocol):
    """A wire format owns both directions: how events are written, and what the answer means for each.

    One in the table is made by `Class(dumps=…)`: `dumps` writes JSON as bytes, so that bodies that
    are signed can be written the way that the guide's verifier does. What more a format may have:
    `Lined`, `Grouped`, `Addressed`, `Confirmed`, `Healthy`, and `Options` for settings of its own.
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


@runtime_checkable
class Lined(Protocol):
    """A format that can also write events as they were read from lines, their data left as bytes.

    What it writes so can travel with any other of these: a `Grouped` format has them in group None.
    """

    def encode_lines(self, lines: Lines) -> Written:
        """What `encode` writes, or another spelling of that JSON; odd ones are made an `Event` first."""


@runtime_checkable
class Grouped(Protocol):
    """A format whose events cannot all travel together."""

    def group(self, event: Event) -> Hashable:
        """Events share a request only with those of an equal group."""


@runtime_checkable
class Addressed(Protocol):
    """A format whose requests have a URL or headers that depend on the batch."""

    def address(self, url: str, batch: Batch) -> tuple[str, tuple[Header, ...]]:
        """The URL for this batch, and headers to add."""


@runtime_checkable
class Confirmed(Protocol):
    """A format whose destination says only later whether it keeps what it took."""

    def confirm(
        self, lane: Lane, response: Response, batch: Batch, clock: Clock
    ) -> Flow[list[Outcome]]:
        """After an answer that `settle` read as delivered: wait, ask, and say what became of each.

        Its requests keep to what the destination has asked for, and tell the pace when it is busy.
        """


@runtime_checkable
class Healthy(Protocol):
    """A format whose destination has a page that tells of its health, for `check`."""

    def health(self, url: str) -> str | None:
        """The page's URL for GET; None where there is none."""

    def healthy(self, response: Response) -> str | None:
        """What is wrong, in one line; None if all is well."""


class Auth(Protocol):
    """An auth scheme is a flow around the sending of a request: it adds what it must, and may send again.

    It may also have `travels = False`: no secret of it is ever sent, only what is made with one. And
    `urls`: where else it sends requests, such as a token endpoint.
    """

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
