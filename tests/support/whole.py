"""Batches whose destination tells of them as a whole, or stops at one: formats of lines, and who is in them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from itertools import chain

from support.heart import Canned, LinesFormat, batch_of, delivered, destination, guide_event
from vaulytica.delivery.batching import Batch
from vaulytica.delivery.lane import Lane
from vaulytica.delivery.outcome import (
    Deferred,
    Delivered,
    Outcome,
    Reason,
    ReasonKind,
    Rejected,
    Result,
    outcome_of_status,
)
from vaulytica.delivery.pace import PaceSettings
from vaulytica.delivery.request import Request, Response

ONE_BY_ONE = PaceSettings(concurrency=1, open_after=2)


class PlainLines(LinesFormat):
    """Lines whose destination says one thing of them all."""

    def settle(self, response: Response, batch: Batch) -> list[Outcome]:
        return [outcome_of_status(response)] * len(batch)


class StoppingLines(LinesFormat):
    """Lines whose destination stops at the first it cannot read: the body names it."""

    def settle(self, response: Response, batch: Batch) -> list[Outcome]:
        if response.status == 200:
            return [Delivered(200)] * len(batch)
        at = json.loads(response.body)
        bad = Rejected(Reason(ReasonKind.REJECTED, f"line {at}"))
        unread = Deferred(Reason(ReasonKind.UNREAD, f"stopped at line {at}"))
        return [Delivered(400)] * at + [bad] + [unread] * (len(batch) - at - 1)


def numbers(request: Request) -> list[int]:
    """The numbers of the events in a request."""
    return [json.loads(line)["data"]["n"] for line in request.body.splitlines()]


def sent(canned: Canned) -> list[list[int]]:
    """The same of each request."""
    return [numbers(request) for request in canned.requests]


def asked(canned: Canned) -> list[int]:
    """How many requests each event was in, by its number."""
    times = Counter(chain.from_iterable(sent(canned)))
    return [times[number] for number in sorted(times)]


def run(canned: Canned, lane: Lane, count: int, **more: object) -> list[Result]:
    """The results of so many events in one batch, each with its number in its data."""
    events = [guide_event(data={"n": n, "pad": "x" * 50}) for n in range(count)]
    return delivered(canned, lane, batch_of(lane.destination.format, *events), **more)


def has(request: Request, *wanted: int) -> bool:
    """Whether an event of one of these numbers is in it."""
    return not set(wanted).isdisjoint(numbers(request))


def lane_of(*, known: bool = False, **settings: object) -> Lane:
    """To a destination of lines, told of as a whole, one request at a time."""
    lines = {"format": PlainLines(1000, 10**6), "pace": ONE_BY_ONE}
    return Lane(destination(**{**lines, **settings}), known=known)


def breaks_at(*numbers: int) -> Callable[[Request], Response]:
    """A destination that answers 500 to what has one of these events in it."""
    return lambda request: Response(500 if has(request, *numbers) else 200)
