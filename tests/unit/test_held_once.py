"""Large events are held once where once is enough: nobody keeps a body longer than it takes to send it."""

from __future__ import annotations

import sys
from typing import Any

from support.heart import OwnClock, batch_of, destination, guide_event
from vaulytica.delivery.attempt import attempt
from vaulytica.delivery.lane import Lane
from vaulytica.delivery.ports import Send, Turn
from vaulytica.delivery.request import Response
from vaulytica.formats import FORMATS
from vaulytica.lines import written


def holders(bodies: list[bytes]) -> int:
    return sys.getrefcount(bodies[0])


def test_a_body_is_there_only_while_it_is_sent() -> None:
    format = FORMATS.load("json")(layout="array")
    joined: list[bytes] = []
    join = format.join
    format.join = lambda parts: joined.append(join(parts)) or joined[-1]
    clock = OwnClock()
    flow = attempt(Lane(destination(format=format)), batch_of(format, *[guide_event()] * 9), clock)
    effect: Any = next(flow)
    assert isinstance(effect, Turn)
    assert joined == []  # while it waits for its turn
    assert effect.ask() == 0
    effect = flow.send(None)
    assert isinstance(effect, Send)
    while_sent = holders(joined)
    effect = flow.send(Response(200))
    assert isinstance(effect, Turn)
    afterwards = holders(joined)
    flow.close()
    assert while_sent > afterwards == holders([bytes(9)])


def test_what_is_written_of_lines_keeps_no_part_by_itself() -> None:
    parts: list[bytes | None] = [bytes(1000), bytes(2000), None]
    before = [sys.getrefcount(part) for part in parts[:2]]
    made = written(parts, b",")
    assert [sys.getrefcount(part) for part in parts[:2]] == before
    assert (list(made.sizes()), list(made.odd), len(made.text)) == ([1000, 2000], [2], 3001)
