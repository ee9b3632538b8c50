"""Indexer acknowledgement: a 200 says that a batch was received; one asks later whether it is indexed.

By Splunk's manual, "About HTTP Event Collector Indexer Acknowledgment": every request names a channel;
a 200 has an `ackId`, by which `/services/collector/ack` tells, once, that the batch is indexed. `false`
also means that the id is not known, so that only a deadline ends the asking. While the collector says that it is busy, or has
asked to be left alone, that deadline is put off, as long as `patience` bears it: to send a batch again
would make it busier, and double the events.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import replace

from vaulytica.delivery.outcome import Deferred, Delivered, Outcome, Reason, ReasonKind, words
from vaulytica.delivery.pace import Heard, Pace, Signal
from vaulytica.delivery.ports import Clock, Flow, turn
from vaulytica.delivery.request import Header, Request, Response
from vaulytica.errors import AuthFailure, TransportFailure, WebhookConfigError
from vaulytica.formats.splunk_hec.answers import ack_id_of, answer_of, is_busy, settle
from vaulytica.formats.splunk_hec.channel import Channel, Channels, Ticket, cookie_of
from vaulytica.formats.splunk_hec.endpoint import sibling, with_query
from vaulytica.formats.splunk_hec.options import SplunkOptions
from vaulytica.jsonvalues import Dumps

if TYPE_CHECKING:
    from vaulytica.delivery.batching import Batch
    from vaulytica.delivery.destination import Destination
    from vaulytica.delivery.lane import Lane


class Acknowledgement:
    """Holds batches back until an indexer has acknowledged them, or their time is up."""

    def __init__(self, options: SplunkOptions, url: str, dumps: Dumps) -> None:
        if sibling(url, "ack") is None:
            raise WebhookConfigError(
                "format_options: ack needs a url whose path ends in /services/collector/event (or raw)"
            )
        self._timeout = options.ack_timeout
        self._interval = options.ack_interval
        self._dumps = dumps
        self._channels = Channels(options.channel)

    def headers(self, batch: Batch) -> tuple[Header, ...]:
        """What the request for this batch has to say of its channel."""
        return self._channels.sending(batch).headers

    def confirm(
        self, lane: Lane, response: Response, batch: Batch, clock: Clock
    ) -> Flow[list[Outcome]]:
        """Wait until the batch is indexed; if it is not in time, what was delivered is deferred."""
        outcomes = settle(response, len(batch), ack=True)
        id = ack_id_of(response)
        if id is None:
            # It stopped at an event. Those before it were taken, but there is no id to ask for them;
            # sent again they would be there twice.
            note = f"taken, but not acknowledged: HTTP {response.status} without an ackId"
            return [
                replace(o, note=o.note or note) if isinstance(o, Delivered) else o for o in outcomes
            ]
        began = clock.monotonic()
        channel = self._channels.taken(batch, response)
        until = began + self._timeout
        ticket = Ticket(id, channel, until, until + lane.destination.patience)
        yield from turn(lambda: channel.add(ticket, began, self._interval))
        try:
            yield from self._until_settled(ticket, lane, clock)
        finally:
            channel.drop(ticket)
        if ticket.indexed:
            return outcomes
        now = clock.monotonic()
        seconds = now - began
        why = "the id was given to a later batch" if now < ticket.deadline else channel.said
        text = (
            f"HTTP {response.status}: taken (ackId {id}), but not acknowledged by an indexer "
            f"after {seconds:.0f} s: {why}"
        )
        late = Deferred(Reason(ReasonKind.TIMEOUT, text, response.status), 0.0)
        return [late if isinstance(o, Delivered) else o for o in outcomes]

    def _until_settled(self, ticket: Ticket, lane: Lane, clock: Clock) -> Flow[None]:
        """Poll, or wait while another flow polls for this channel, until there is nothing left to ask."""
        channel = ticket.channel
        while asked := (yield from _asked(ticket, lane, clock)):
            began = clock.monotonic()
            answer = yield from self._poll(channel, asked, lane.destination, clock)
            yield from turn(_heeding(lane.pace, channel, asked, answer, began=began, clock=clock))

    def _poll(
        self, channel: Channel, asked: Sequence[Ticket], destination: Destination, clock: Clock
    ) -> Flow[_Answer]:
        """What the collector says of these tickets."""
        url = sibling(destination.url, "ack") or destination.url
        request = Request(
            with_query(url, {"channel": channel.guid}),
            (*destination.headers, *channel.headers),
            self._dumps({"acks": [ticket.id for ticket in asked]}),
            destination.timeout,
        )
        try:
            response = yield from destination.auth.flow(request, clock.time())
        except (TransportFailure, AuthFailure) as failure:
            return _Answer(None, f"no answer when asked: {failure}")
        said = f"when asked, HTTP {response.status}{words(response)}"
        acks = answer_of(response).get("acks") if response.status == 200 else None
        moved = cookie_of(response) not in (None, channel.cookie)
        hold = response.retry_after(clock.time()) if response.status >= 400 else None
        busy = hold is not None or is_busy(response)
        return _Answer(None if busy else acks, said, moved, busy, hold)


class _Answer(NamedTuple):
    """The ids that are acknowledged, or None; all of it in words; and whether another indexer said it.

    `busy`: it says nothing but that, and may ask for `hold` seconds without questions.
    """

    acks: Any
    said: str
    moved: bool = False
    busy: bool = False
    hold: float | None = None


def _asked(ticket: Ticket, lane: Lane, clock: Clock) -> Flow[list[Ticket]]:
    """Wait until it is this flow's turn to poll; for which tickets."""
    asked: list[Ticket] = []
    lease = 2 * lane.destination.timeout  # for a poll, and what auth may send before it

    def ask() -> float:
        now = clock.monotonic()
        return ticket.channel.ask(ticket, now, lease, asked, lane.pace.held(now))

    yield from turn(ask)
    return asked


def _heeding(
    pace: Pace,
    channel: Channel,
    asked: list[Ticket],
    answer: _Answer,
    *,
    began: float,
    clock: Clock,
) -> Callable[[], float]:
    def heed() -> float:
        now = clock.monotonic()
        if answer.busy:
            pace.heed(now, Signal(Heard.BUSY, now - began, hold=answer.hold), admitted=False)
        return channel.heed(
            asked, answer.acks, answer.said, now, moved=answer.moved, busy=answer.busy
        )

    return heed
