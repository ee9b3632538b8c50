"""Sending: what both senders share – the destination, and all that needs no driver."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from vaulytica.config import WebhookConfig
from vaulytica.delivery.batching import Batch, encode
from vaulytica.delivery.check import CheckReport, check, test_event
from vaulytica.delivery.destination import Destination
from vaulytica.delivery.flow import deliver
from vaulytica.delivery.lane import Lane
from vaulytica.delivery.outcome import error_of
from vaulytica.delivery.policy import ONCE, Random
from vaulytica.delivery.ports import AsyncTransport, Clock, Flow, Transport
from vaulytica.delivery.redaction import HoldsSecrets
from vaulytica.delivery.report import Settlement
from vaulytica.delivery.run import OnResult, Run
from vaulytica.errors import WebhookError, WebhookEventError, WebhookSecurityWarning
from vaulytica.events import Event

if TYPE_CHECKING:
    from vaulytica.outbox.ports import Outbox


class Sending(HoldsSecrets):
    """What both senders share: the destination, and all that needs no driver."""

    _takes_async = False  # iterables

    def __init__(
        self,
        config: WebhookConfig,
        clock: Clock,
        rng: Random,
        outbox: Outbox | None,
        name: str | None,
    ) -> None:
        self.destination: Destination = config.destination()
        self.outbox = outbox
        self.name = name or self.destination.name  # in the outbox
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

    def _batch(
        self, event_type: str, event_data: Mapping[str, Any], severity: str, **more: Any
    ) -> Batch:
        self._refuse_if_closed()
        most = self.destination.max_event_bytes
        return self._batch_of(
            Event.create(event_type, event_data, severity, max_bytes=most, **more)
        )

    def _delivery(self, batch: Batch) -> Flow[Settlement]:
        return deliver(self._lane, batch, self._clock, self._rng, patient=False)

    def _one_try(self) -> Flow[Settlement]:
        self._refuse_if_closed()
        batch = self._batch_of(test_event())
        return deliver(self._lane, batch, self._clock, self._rng, retry=ONCE, patient=False)

    def _check(self) -> Flow[CheckReport]:
        self._refuse_if_closed()
        try:
            batch: Batch | WebhookEventError = self._batch_of(test_event())
        except WebhookEventError as error:  # of a template that wants other data
            batch = error
        return check(self._lane, batch, self._clock)

    def _settled(self, settlement: Settlement) -> bool:
        """True for a delivered event, else the error that fits, raised."""
        if not settlement.results:
            return True
        raise error_of(settlement.results[0], self.destination.name)

    def _run(self, on_result: OnResult | None, ordered: bool | None, *, keep_all: bool) -> Run:
        ordered = self.destination.ordered if ordered is None else ordered
        return Run(self._lane, on_result=on_result, ordered=ordered, keep_all=keep_all)

    def _check_events(self, events: object, what: str) -> None:
        self._refuse_if_closed()
        kinds = (Iterable, AsyncIterable) if self._takes_async else Iterable
        if isinstance(events, (str, bytes, Mapping)) or not isinstance(events, kinds):
            raise TypeError(f"{what} events, or another iterable of them")

    def _check_stream(self, events: object) -> None:
        self._check_events(events, "send_stream takes an iterable of")
        if self.outbox is not None:
            raise WebhookError(
                "send_stream sends at once; with an outbox use send_batch, and drain"
            )

    def _kept(self) -> Outbox:
        self._refuse_if_closed()
        if self.outbox is None:
            raise WebhookError("there is nothing to drain: the sender was made without an outbox")
        return self.outbox


def curl_transport(config: WebhookConfig) -> Transport:
    """libcurl, as the config has it."""
    from vaulytica.transport.curl import CurlTransport

    return CurlTransport(config.network())


def async_curl_transport(config: WebhookConfig) -> AsyncTransport:
    """The same for asyncio."""
    from vaulytica.transport.curl import AsyncCurlTransport

    return AsyncCurlTransport(config.network())
