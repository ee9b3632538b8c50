"""SplunkHec: Splunk's HTTP Event Collector, with partial failures, codes and acknowledgement.

Sources: Splunk's "HTTP Event Collector REST API endpoints" and "Troubleshoot HTTP Event Collector";
what they leave open follows what others measured on Splunk 10.4, marked (measured).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from http.cookies import CookieError, SimpleCookie
from typing import Any

from vaulytica.receiving.destinations.bodies import (
    CodingError,
    TooLargeError,
    distinct_json,
    target,
    unpacked,
)
from vaulytica.receiving.destinations.hec_acks import Acks
from vaulytica.receiving.destinations.hec_codes import CODES, HecFault, said
from vaulytica.receiving.destinations.hec_events import (
    BAD_FORMAT,
    HecBody,
    read_events,
    read_lines,
)
from vaulytica.receiving.destinations.strict import (
    Refused,
    StrictDestination,
    What,
    html_answer,
    json_answer,
)
from vaulytica.receiving.receiver import Answer, Header, Received

_ENDPOINT = re.compile(r"/services/collector(?:/(?P<name>event|raw|ack|health)(?:/1\.0)?)?")
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_NOT_FOUND = {"text": "The requested URL was not found on this server.", "code": 404}
_COOKIE = "indexer"


@dataclass(kw_only=True)
class SplunkHec(StrictDestination):
    """What `/event` and `/raw` take is in `events`: objects as they came, and `{"event": line}`.

    `indexes`: those the token may write to. `ack`: acknowledgement is on; an id is true `ack_after`
    seconds by `clock` and `ack_polls` vain questions later, a channel has at most `max_acks`, and
    `unindexed(n)` True lets the nth request vanish before it is indexed. `indexers`: so many behind
    a balancer with a cookie; `move(n)` True has the nth request sent to another one all the same.
    `refuse` gives one of the codes, or any other HTTP status, which is answered with a page of HTML.
    """

    indexes: Collection[str] | None = None
    ack: bool = False
    ack_after: float = 0.0
    ack_polls: int = 0
    max_acks: int = 1_000_000
    unindexed: Callable[[int], bool] | None = None
    indexers: int = 1
    move: Callable[[int], bool] | None = None
    health: int = 17
    clock: Callable[[], float] = time.monotonic
    max_bytes: int = 838_860_800  # limits.conf [http_input] max_content_length

    def __post_init__(self) -> None:
        super().__post_init__()
        self._acks = Acks(self.clock, self.ack_after, self.ack_polls, self.max_acks)
        self._turn = 0  # of the balancer

    @property
    def unacknowledged(self) -> list[Any]:
        """What was taken, and its sender has not yet been told that it is indexed."""
        return self._acks.waiting()

    def _answer(self, request: Received, number: int) -> Answer:
        path, query = target(request.path)
        endpoint = _ENDPOINT.fullmatch(path)
        if endpoint is None:
            return json_answer(404, _NOT_FOUND)
        name = endpoint["name"] or "event"
        if request.method != ("GET" if name == "health" else "POST"):
            return json_answer(405, _NOT_FOUND)
        if name == "health":  # which asks for no token (measured)
            return said(self.health)
        return self._let_in(name, request, query, number)

    def _let_in(self, name: str, request: Received, query: dict[str, str], number: int) -> Answer:
        self._check_token(request.header("Authorization"), query)
        success = self._refused(number) or 0
        if success not in CODES:
            raise _page(success, f"Error {success}")
        if CODES[success][0] != 200:
            raise HecFault(success, "as told")
        indexer, headers = self._balanced(request.header("Cookie"), number)
        channel = (indexer, self._channel(request, query, is_needed=self.ack or name == "raw"))
        if name == "ack":
            answer = self._asked(request.body, channel)
        elif name == "raw":
            answer = self._taken(
                read_lines(self._body(request), query, self.indexes), channel, success
            )
        else:
            read = self._faulty(read_events(self._body(request), self.indexes))
            answer = self._taken(read, channel, success)
        return replace(answer, headers=answer.headers + headers)

    def _check_token(self, given: str | None, query: dict[str, str]) -> None:
        if given is None:
            raise HecFault(16 if "token" in query else 2, "no Authorization")
        scheme, _, token = given.partition(" ")
        if scheme != "Splunk" or not token.strip():
            raise HecFault(3, "Authorization is not: Splunk <token>")
        if self.token not in (None, token.strip()):
            raise HecFault(4, "another token")

    def _channel(self, request: Received, query: dict[str, str], *, is_needed: bool) -> str:
        """The channel's GUID, or "". The manual asks for one on `/raw` always, 10.4 only with `ack`."""
        channel = request.header("X-Splunk-Request-Channel") or query.get("channel") or ""
        if is_needed and not channel:
            raise HecFault(10, "no X-Splunk-Request-Channel")
        if channel and not _GUID.fullmatch(channel):
            raise HecFault(11, "the channel is no GUID")
        return channel.lower()

    def _body(self, request: Received) -> bytes:
        coding = (request.header("Content-Encoding") or "").lower()
        if coding not in ("", "gzip"):  # deflate too is refused (measured)
            raise _page(415, "Unsupported Media Type")
        try:
            return unpacked(request.body, coding, self.max_bytes)
        except TooLargeError:
            raise _page(413, "Content-Length too large") from None
        except CodingError:
            raise _page(400, "Bad Request") from None

    def _balanced(self, given: str | None, number: int) -> tuple[int, tuple[Header, ...]]:
        """Which indexer the request goes to, and the header that sets its cookie, if it is new."""
        if self.indexers == 1:
            return 0, ()
        try:
            cookie = SimpleCookie(given or "").get(_COOKIE)
        except CookieError:
            cookie = None
        known = {str(n): n for n in range(self.indexers)}
        indexer = known.get(cookie.value) if cookie is not None else None
        if indexer is not None and not (self.move and self.move(number)):
            return indexer, ()
        others = [n for n in range(self.indexers) if n != indexer]
        self._turn += 1
        indexer = others[self._turn % len(others)]
        return indexer, (("Set-Cookie", f"{_COOKIE}={indexer}; Path=/; HttpOnly"),)

    def _faulty(self, read: HecBody) -> HecBody:
        """The body as it is read if one of its events is to be rejected."""
        for place, (number, event) in enumerate(read.events):
            why = self._rejected(event)
            if why is not None:
                fault = HecFault(BAD_FORMAT, why, number, event)
                return HecBody(read.events[:place], read.skipped, fault)
        return read

    def _taken(self, read: HecBody, channel: tuple[int, str], success: int) -> Answer:
        """Take the events before the one that is wrong, if one is; then there is no ackId."""
        if read.is_empty:
            raise HecFault(5, "an empty body")
        if self.ack and self._acks.is_full(channel):
            raise HecFault(27, "the channel's ids are not asked for")
        events = [event for _, event in read.events]
        put_off = [event for event in events if self._deferred(event)]
        if put_off:
            raise HecFault(9, "as told", event=put_off[0])
        is_lost = self.ack and self.unindexed is not None and self.unindexed(self.requests)
        for event in events:
            if is_lost:
                self._note(What.UNREAD, event, "received, and lost before it was indexed")
            else:
                self._take(event)
        for event, why in read.skipped:
            self._note(What.UNREAD, event, why)
        if read.fault is not None:
            raise read.fault
        if not self.ack:
            return said(success)
        return said(success, ack_id=self._acks.add(channel, events, is_lost=is_lost))

    def _asked(self, body: bytes, channel: tuple[int, str]) -> Answer:
        if not self.ack:
            raise HecFault(14, "no acknowledgement here")
        try:
            ids = distinct_json(body.decode("utf-8"))["acks"]
        except (ValueError, LookupError, TypeError):
            raise HecFault(BAD_FORMAT, "no acks") from None
        if not isinstance(ids, list) or not all(type(one) is int for one in ids):
            raise HecFault(BAD_FORMAT, "acks are no list of numbers")
        acks, self._told = self._acks.ask(channel, ids)
        return json_answer(200, {"acks": acks})


def _page(status: int, title: str) -> Refused:
    """Refused by the web server, before HEC saw it: a page of HTML."""
    return Refused(html_answer(status, title), title)
