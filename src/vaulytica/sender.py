"""WebhookSender and AsyncWebhookSender: what users call.

An event goes: `send_event` here → `delivery.flow.deliver`, run by a driver → `delivery.attempt` → the
auth scheme's `flow` → the transport's `send`, which is the socket. Many go by `streams`, in batches.
There is no daemon, and no thread but during a call.
"""

from __future__ import annotations

import logging
import random
import time
import warnings
from collections.abc import AsyncIterable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

from vaulytica.config import WebhookConfig
from vaulytica.delivery.batching import Batch, encode
from vaulytica.delivery.check import CheckReport, check
from vaulytica.delivery.destination import Destination
from vaulytica.delivery.flow import deliver
from vaulytica.delivery.lane import Lane
from vaulytica.delivery.outcome import error_of
from vaulytica.delivery.policy import ONCE, Random
from vaulytica.delivery.ports import AsyncTransport, Clock, Flow, Transport
from vaulytica.delivery.redaction import HoldsSecrets
from vaulytica.delivery.report import Report, Settlement
from vaulytica.delivery.run import OnResult, Run
from vaulytica.driver.aio import AsyncDriver, AsyncSleep
from vaulytica.driver.sync import Driver, Sleep
from vaulytica.errors import WebhookError, WebhookEventError, WebhookSecurityWarning
from vaulytica.events import Event, Severity
from vaulytica.streams import AsyncStream, Stream

if TYPE_CHECKING:
    from datetime import datetime

log = logging.getLogger("vaulytica")


class _Sender(HoldsSecrets):
    """What both senders share: the destination, and all that needs no driver."""

    def __init__(self, config: WebhookConfig, clock: Clock, rng: Random) -> None:
        self.destination: Destination = config.destination()
        self._lane = Lane(self.destination)
        self._max_part_bytes = self.destination.max_part_bytes
        self._clock = clock
        self._rng = rng
        self._closed = False
        if not config.verify_ssl:
            warnings.warn(
                f"verify_ssl=False: whoever is on the way to {self.destination.name} can read "
                "and change what is sent",
                WebhookSecurityWarning,
                stacklevel=3,
            )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.destination.name}, {self.destination.format.name})"

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise WebhookError("the sender is closed; make a new one")

    def _batch_of(self, event: Event) -> Batch:
        destination = self.destination
        return Batch((encode(destination.format, event, self._max_part_bytes),))

    def _delivery(
        self,
        event_type: str,
        event_data: Mapping[str, Any],
        severity: str,
        **more: Any,
    ) -> Flow[Settlement]:
        self._refuse_if_closed()
        most = self.destination.max_event_bytes
        event = Event.create(event_type, event_data, severity, max_bytes=most, **more)
        return deliver(self._lane, self._batch_of(event), self._clock, self._rng, patient=False)

    def _one_try(self) -> Flow[Settlement]:
        self._refuse_if_closed()
        batch = self._batch_of(_test_event())
        return deliver(self._lane, batch, self._clock, self._rng, retry=ONCE, patient=False)

    def _check(self) -> Flow[CheckReport]:
        self._refuse_if_closed()
        try:
            batch: Batch | WebhookEventError = self._batch_of(_test_event())
        except WebhookEventError as error:  # of a template that wants other data
            batch = error
        return check(self._lane, batch, self._clock)

    def _settled(self, settlement: Settlement) -> bool:
        """True for a delivered event, else the error that fits, raised."""
        if not settlement.results:
            return True
        raise error_of(settlement.results[0], self.destination.name)

    def _run(
        self, events: object, on_result: OnResult | None, ordered: bool | None, *, keep_all: bool
    ) -> Run:
        self._refuse_if_closed()
        kinds = (Iterable, AsyncIterable) if isinstance(self, AsyncWebhookSender) else Iterable
        if isinstance(events, (str, bytes, Mapping)) or not isinstance(events, kinds):
            what = "send_batch takes a list of" if keep_all else "send_stream takes an iterable of"
            raise TypeError(f"{what} events, or another iterable of them")
        ordered = self.destination.ordered if ordered is None else ordered
        return Run(self._lane, on_result=on_result, ordered=ordered, keep_all=keep_all)


class WebhookSender(_Sender):
    """Sends events to one destination; may be shared by threads, and used by a forked child.

    `transport` takes the place of libcurl; `clock`, `rng` and `sleep` are for tests.
    """

    def __init__(
        self,
        config: WebhookConfig,
        *,
        transport: Transport | None = None,
        clock: Clock = time,
        rng: Random = random,
        sleep: Sleep = time.sleep,
    ) -> None:
        super().__init__(config, clock, rng)
        self._driver = Driver(_curl_transport(config) if transport is None else transport, sleep)

    def send_event(
        self,
        event_type: str,
        event_data: Mapping[str, Any],
        severity: str = Severity.INFO,
        *,
        timestamp: datetime | str | float | None = None,
        event_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> bool:
        """Send one event, with retries; True, or raises a `WebhookError` kind that says why not."""
        more = {"timestamp": timestamp, "id": event_id, "metadata": metadata}
        flow = self._delivery(event_type, event_data, severity, **more)
        return self._settled(self._driver.run(flow))

    def send_batch(self, events: Iterable[object], *, on_result: OnResult | None = None) -> Report:
        """Send many events (mappings with type, data, severity) as the batches the format allows.

        Returns the count delivered, an int that carries every event's result; `on_result` hears of
        them as they come. Stops trying when the destination is plainly down: see `DownDetector`.
        """
        run = self._run(events, on_result, None, keep_all=True)
        return Stream(run, self._driver, events, self._clock, self._rng).run()

    def send_stream(
        self,
        events: Iterable[object],
        *,
        on_result: OnResult | None = None,
        ordered: bool | None = None,
    ) -> Stream:
        """Send any number of events in bounded memory; iterate for reports, or call its `run()`.

        `events` is read no faster than they go out. `ordered`: one batch at a time, and nothing
        overtakes an event that is deferred; the config's setting unless given.
        """
        run = self._run(events, on_result, ordered, keep_all=False)
        return Stream(run, self._driver, events, self._clock, self._rng)

    def test_connection(self) -> bool:
        """One attempt with a test event; True if it was delivered. Never raises; `check` says why."""
        try:
            return self._settled(self._driver.run(self._one_try()))
        except Exception:
            log.debug("test_connection failed", exc_info=True)
            return False

    def check(self) -> CheckReport:
        """Walk through what can go wrong, with one test event: which step failed, and what to do."""
        return self._driver.run(self._check())

    def close(self) -> None:
        """Drop all connections; the sender cannot be used any more."""
        self._closed = True
        self._driver.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncWebhookSender(_Sender):
    """The same for asyncio: `await sender.send_event(...)`, under any number of tasks of one loop."""

    def __init__(
        self,
        config: WebhookConfig,
        *,
        transport: AsyncTransport | None = None,
        clock: Clock = time,
        rng: Random = random,
        sleep: AsyncSleep | None = None,
    ) -> None:
        super().__init__(config, clock, rng)
        self._driver = AsyncDriver(
            _async_curl_transport(config) if transport is None else transport, sleep
        )

    async def send_event(
        self,
        event_type: str,
        event_data: Mapping[str, Any],
        severity: str = Severity.INFO,
        *,
        timestamp: datetime | str | float | None = None,
        event_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> bool:
        """Send one event, with retries; True, or raises a `WebhookError` kind that says why not."""
        more = {"timestamp": timestamp, "id": event_id, "metadata": metadata}
        flow = self._delivery(event_type, event_data, severity, **more)
        return self._settled(await self._driver.run(flow))

    async def send_batch(
        self,
        events: Iterable[object] | AsyncIterable[object],
        *,
        on_result: OnResult | None = None,
    ) -> Report:
        """Send many events (mappings with type, data, severity) as the batches the format allows.

        Returns the count delivered, an int that carries every event's result; `on_result` hears of
        them as they come. Stops trying when the destination is plainly down: see `DownDetector`.
        """
        run = self._run(events, on_result, None, keep_all=True)
        return await AsyncStream(run, self._driver, events, self._clock, self._rng).run()

    def send_stream(
        self,
        events: Iterable[object] | AsyncIterable[object],
        *,
        on_result: OnResult | None = None,
        ordered: bool | None = None,
    ) -> AsyncStream:
        """Send any number of events in bounded memory: `async for` reports, or `await` its `run()`.

        `events` is read no faster than they go out. `ordered`: one batch at a time, and nothing
        overtakes an event that is deferred; the config's setting unless given.
        """
        run = self._run(events, on_result, ordered, keep_all=False)
        return AsyncStream(run, self._driver, events, self._clock, self._rng)

    async def test_connection(self) -> bool:
        """One attempt with a test event; True if it was delivered. Never raises; `check` says why."""
        try:
            return self._settled(await self._driver.run(self._one_try()))
        except Exception:
            log.debug("test_connection failed", exc_info=True)
            return False

    async def check(self) -> CheckReport:
        """Walk through what can go wrong, with one test event: which step failed, and what to do."""
        return await self._driver.run(self._check())

    async def aclose(self) -> None:
        """Drop all connections; the sender cannot be used any more."""
        self._closed = True
        await self._driver.transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _curl_transport(config: WebhookConfig) -> Transport:
    from vaulytica.transport.curl import CurlTransport

    return CurlTransport(verify=config.verify_ssl, proxy=config.proxy, trust_env=config.trust_env)


def _async_curl_transport(config: WebhookConfig) -> AsyncTransport:
    from vaulytica.transport.curl import AsyncCurlTransport

    return AsyncCurlTransport(
        verify=config.verify_ssl, proxy=config.proxy, trust_env=config.trust_env
    )


def _test_event() -> Event:
    # With the fields that the guide's own templates name.
    data = {
        "message": "Vaulytica connection test",
        "file_id": "test",
        "file_name": "vaulytica-test.txt",
        "owner": "test@example.com",
        "shared_with": "test@example.com",
    }
    return Event.create("vaulytica.test", data, Severity.INFO)
