"""Channels of indexer acknowledgement: who took which batch, and under which id.

Ids are counted by each indexer for each channel. Behind a load balancer, whose cookie leads to an
indexer, an id is worth something only with channel and cookie together; when the cookie changes a
new channel is opened, lest one indexer's acknowledgement is taken for another's.
"""

from __future__ import annotations

import os
import re
import uuid
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from vaulytica.delivery.request import Header, Response
from vaulytica.delivery.times import FOREVER

if TYPE_CHECKING:
    from vaulytica.delivery.batching import Batch

CHANNEL = "X-Splunk-Request-Channel"
COOKIE = "Cookie"
_LONGEST_PAUSE = 10.0  # seconds between two polls, as Splunk's manual advises
_TO_ASK = 1.0  # seconds that are left to ask in, once more
_ROTATING = 3  # answers in a row with a new cookie, after which it is taken to change with each
_MOST_SENT = 4096  # requests under way that are remembered
# RFC 6265, and what else is sent in the field: anything printable but the semicolon.
_COOKIE = re.compile(r"[\x21-\x3a\x3c-\x7e]+=[\x21-\x3a\x3c-\x7e]*")


class Ticket:
    """A batch that was received under an id, and waits to be acknowledged.

    Its `deadline` moves while the collector is busy, as far as `latest`, or as it has asked for before.
    """

    __slots__ = ("_borne_until", "channel", "deadline", "id", "indexed", "latest")

    def __init__(
        self, id: int, channel: Channel, deadline: float, latest: float | None = None
    ) -> None:
        self.id = id
        self.channel = channel
        self.deadline = deadline
        self.latest = deadline if latest is None else latest
        self.indexed = False
        self._borne_until = -FOREVER

    def bear(self, now: float, until: float) -> None:
        """That time does not count, and is not the last: the collector is too busy to be asked till then."""
        since = max(now, self._borne_until)
        if now < self.latest and until > since:
            self.deadline = min(self.latest, self.deadline + until - since)
            self.deadline = max(self.deadline, until + _TO_ASK)
            self._borne_until = until


class Channel:
    """A GUID, with the cookie that leads to its indexer. One poll asks for all of its tickets.

    All channels of a GUID share `_tickets`: an id that is given a second time is of another indexer,
    or of one that has forgotten the first, whose ticket is then worth nothing. To be used in turns.
    """

    def __init__(
        self, guid: str, cookie: str | None = None, tickets: dict[int, Ticket] | None = None
    ) -> None:
        self.guid = guid
        self.cookie = cookie
        self.said = "nobody has asked yet"  # what came of the last poll
        self._tickets: dict[int, Ticket] = {} if tickets is None else tickets
        self._due = self._pause = 0.0
        self._asker: Ticket | None = None  # whose flow is polling, until…
        self._asking_until = 0.0  # …it is taken for lost
        self._moves = 0  # answers to polls in a row whose cookie was another
        self._doubtful: dict[str, Any] = {}  # what these said

    def with_cookie(self, cookie: str | None) -> Channel:
        """The same GUID, by another way."""
        return Channel(self.guid, cookie, self._tickets)

    @property
    def headers(self) -> tuple[Header, ...]:
        """What a request has to say of its channel."""
        own = (CHANNEL, self.guid)
        return (own,) if self.cookie is None else (own, (COOKIE, self.cookie))

    def add(self, ticket: Ticket, now: float, interval: float) -> float:
        """A batch was received: ask in `interval` seconds, or sooner, with those that wait. Always 0."""
        self._due = min(self._due, now + interval) if self._waiting() else now + interval
        self._pause = interval
        self._tickets[ticket.id] = ticket
        return 0.0

    def drop(self, ticket: Ticket) -> None:
        """Its flow has ended, maybe in the middle of a poll."""
        if self._tickets.get(ticket.id) is ticket:
            del self._tickets[ticket.id]
        if self._asker is ticket:
            self._asker = None

    def ask(
        self, ticket: Ticket, now: float, lease: float, asked: list[Ticket], held: float = 0.0
    ) -> float:
        """Seconds to wait, or 0: then poll for those `asked`; for none, where the waiting has an end.

        For `held` seconds the collector wants not to be asked.
        """
        if self._tickets.get(ticket.id) is not ticket or now >= ticket.deadline:
            return 0.0
        until = self._due
        if held > 0:
            until = max(until, now + held)
            ticket.bear(now, until)
        if self._asker is not None:
            until = max(until, min(self._asking_until, now + self._pause))
        if now < until:
            return min(until, ticket.deadline) - now
        asked += self._waiting()
        self._asker, self._asking_until = ticket, now + lease
        return 0.0

    def heed(
        self,
        asked: list[Ticket],
        acks: Any,
        said: str,
        now: float,
        *,
        moved: bool,
        busy: bool = False,
    ) -> float:
        """Take in what a poll has brought; ids that were not asked for are nobody's. Always 0.

        `busy`: it told nothing of them. `moved`: the answer set another cookie, so that it is another indexer's, and of its own ids;
        unless cookies change with every answer, as with some balancers.
        """
        if moved:
            self._moves += 1
            said_so = acks.items() if isinstance(acks, dict) else ()  # `true` is said once only
            self._doubtful |= {id: ack for id, ack in said_so if ack is True}
            acks = self._doubtful if self._moves >= _ROTATING else None
        else:
            self._moves, self._doubtful = 0, {}
        for ticket in asked if isinstance(acks, dict) else ():
            if acks.get(str(ticket.id)) is True and self._tickets.get(ticket.id) is ticket:
                ticket.indexed = True
                del self._tickets[ticket.id]
        self.said = said
        self._asker = None
        self._pause = min(2 * self._pause, max(self._pause, _LONGEST_PAUSE))
        self._due = now + self._pause
        for ticket in asked if busy else ():
            ticket.bear(now, self._due)
        return 0.0

    def _waiting(self) -> list[Ticket]:
        # A copy, made at a stroke: a flow that is stopped drops its ticket without taking a turn.
        return [ticket for ticket in list(self._tickets.values()) if ticket.channel is self]


class Channels:
    """The channel for the next request, and those of requests under way."""

    def __init__(self, first: str | None) -> None:
        self._current = None if first is None else Channel(first)
        self._sent: OrderedDict[int, Channel] = OrderedDict()
        self._process = os.getpid()

    def sending(self, batch: Batch) -> Channel:
        """The channel for a request that carries this batch.

        Until an answer has shown whether there is a balancer's cookie, each has one of its own.
        """
        if self._process != os.getpid():  # a forked child must not ask away its parent's tickets
            self._process, self._current = os.getpid(), None
        channel = self._current or Channel(str(uuid.uuid4()))
        # Whoever is sending holds the batch, so that its id cannot be another's before its answer.
        self._sent[id(batch)] = channel
        if len(self._sent) > _MOST_SENT:  # of batches that were never answered
            self._sent.popitem(last=False)
        return channel

    def taken(self, batch: Batch, response: Response) -> Channel:
        """The channel on which this batch, now answered, is to be asked for."""
        sent = self._sent.pop(id(batch), None) or Channel(str(uuid.uuid4()))
        cookie = cookie_of(response) or sent.cookie
        moved = cookie != sent.cookie
        channel = sent.with_cookie(cookie) if moved else sent
        if self._current is None:
            self._current = channel
        elif moved and self._current is sent:
            self._current = Channel(str(uuid.uuid4()), cookie)
        return channel


def cookie_of(response: Response) -> str | None:
    """The cookies that the answer sets, as they are to be sent back; None if it sets none."""
    given = [value.partition(";")[0].strip() for value in response.all("set-cookie")]
    return "; ".join(cookie for cookie in given if _COOKIE.fullmatch(cookie)) or None
