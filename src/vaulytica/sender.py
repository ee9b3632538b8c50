"""WebhookSender and AsyncWebhookSender: what users call.

An event goes: `send_event` here → `delivery.flow.deliver`, run by a driver → `delivery.attempt` → the
auth scheme's `flow` → the transport's `send`, which is the socket. Many go by `streams`, in batches.
There is no daemon, and no thread but during a call.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import AsyncIterable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

from vaulytica.config import WebhookConfig
from vaulytica.delivery.check import CheckReport
from vaulytica.delivery.policy import Random
from vaulytica.delivery.ports import AsyncTransport, Clock, Transport
from vaulytica.delivery.report import Report
from vaulytica.delivery.run import OnResult
from vaulytica.driver.aio import AsyncDriver, AsyncSleep
from vaulytica.driver.keep import Keeper, akeep, events_of, keep
from vaulytica.driver.sync import Driver, Sleep
from vaulytica.events import Severity
from vaulytica.sending import Sending, async_curl_transport, curl_transport
from vaulytica.streams import AsyncStream, Stream

if TYPE_CHECKING:
    from datetime import datetime

    from vaulytica.driver.drain import Drained
    from vaulytica.outbox.ports import Outbox

log = logging.getLogger("vaulytica")


class WebhookSender(Sending):
    """Sends events to one destination; may be shared by threads, and used by a forked child.

    `transport` takes the place of libcurl; `clock`, `rng` and `sleep` are for tests. With an `outbox`,
    to send is to keep there, under `name` (else the URL's origin); `drain` delivers.
    """

    def __init__(
        self,
        config: WebhookConfig,
        *,
        transport: Transport | None = None,
        outbox: Outbox | None = None,
        name: str | None = None,
        clock: Clock = time,
        rng: Random = random,
        sleep: Sleep = time.sleep,
    ) -> None:
        super().__init__(config, clock, rng, outbox, name)
        self._driver = Driver(curl_transport(config) if transport is None else transport, sleep)

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
        batch = self._batch(event_type, event_data, severity, **more)
        if self.outbox is not None:
            self.outbox.put(events_of(batch), [self.name])
            return True
        return self._settled(self._driver.run(self._delivery(batch)))

    def send_batch(self, events: Iterable[object], *, on_result: OnResult | None = None) -> Report:
        """Send many events (mappings with type, data, severity) as the batches the format allows.

        Returns the count delivered, an int that carries every event's result; `on_result` hears of
        them as they come. Stops trying when the destination is plainly down: see `DownDetector`.
        """
        self._check_events(events, "send_batch takes a list of")
        if self.outbox is not None:
            return keep(self.outbox, self.name, Keeper(self.destination, on_result), events)
        run = self._run(on_result, None, keep_all=True)
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
        self._check_stream(events)
        run = self._run(on_result, ordered, keep_all=False)
        return Stream(run, self._driver, events, self._clock, self._rng)

    def drain(self) -> Drained:
        """Deliver what the outbox has for this destination, until nothing is due, or it is plainly down.

        What fails is put off in the outbox, by the retry policy; what is given up on is a dead letter.
        """
        from vaulytica.driver.drain import Drain

        outbox, lane = self._kept(), self._lane
        return Drain(outbox, self.name, lane, self._driver, clock=self._clock, rng=self._rng).run()

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


class AsyncWebhookSender(Sending):
    """The same for asyncio: `await sender.send_event(...)`, under any number of tasks of one loop."""

    _takes_async = True

    def __init__(
        self,
        config: WebhookConfig,
        *,
        transport: AsyncTransport | None = None,
        outbox: Outbox | None = None,
        name: str | None = None,
        clock: Clock = time,
        rng: Random = random,
        sleep: AsyncSleep | None = None,
    ) -> None:
        super().__init__(config, clock, rng, outbox, name)
        self._driver = AsyncDriver(
            async_curl_transport(config) if transport is None else transport, sleep
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
        batch = self._batch(event_type, event_data, severity, **more)
        if self.outbox is not None:
            await self.outbox.aio.put(events_of(batch), [self.name])
            return True
        return self._settled(await self._driver.run(self._delivery(batch)))

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
        self._check_events(events, "send_batch takes a list of")
        if self.outbox is not None:
            keeper = Keeper(self.destination, on_result)
            return await akeep(self.outbox.aio, self.name, keeper, events)
        run = self._run(on_result, None, keep_all=True)
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
        self._check_stream(events)
        run = self._run(on_result, ordered, keep_all=False)
        return AsyncStream(run, self._driver, events, self._clock, self._rng)

    async def drain(self) -> Drained:
        """Deliver what the outbox has for this destination; see `WebhookSender.drain`."""
        from vaulytica.driver.drain import AsyncDrain

        outbox, lane = self._kept().aio, self._lane
        return await AsyncDrain(
            outbox, self.name, lane, self._driver, clock=self._clock, rng=self._rng
        ).run()

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
