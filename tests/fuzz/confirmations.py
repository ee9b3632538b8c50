"""Target: what a Splunk indexer says when asked whether it has indexed a batch."""

from __future__ import annotations

from typing import Any

from fuzz.taking import Taking
from support.heart import OwnClock, batch_of, guide_event
from vaulytica.config import WebhookConfig
from vaulytica.delivery.lane import Lane
from vaulytica.delivery.outcome import Deferred, Delivered, Rejected
from vaulytica.delivery.ports import Send, Turn, Wait
from vaulytica.delivery.request import Response

CONFIG = WebhookConfig(
    url="https://splunk.example.com/services/collector/event",
    format="splunk_hec",
    format_options={"ack": True, "ack_timeout": 5.0, "ack_interval": 1.0},
)
MOST_STEPS = 200


def target(data: bytes) -> None:
    """The asking ends in time; nothing is delivered that no answer has called indexed."""
    taking = Taking(data)
    destination = CONFIG.destination()
    format: Any = destination.format
    batch = batch_of(format, *(guide_event(data={"n": n}) for n in range(1 + taking.byte() % 3)))
    clock = OwnClock()
    destination.request(batch)
    response = Response(200, {"Set-Cookie": taking.text()}, taking.part())
    said = [b""]
    flow = format.confirm(Lane(destination), response, batch, clock)
    effect: Any
    result: Any = None
    taken = [isinstance(o, Delivered) for o in format.settle(response, batch)]
    try:
        effect = next(flow)
        for _ in range(MOST_STEPS):
            if isinstance(effect, Send):
                said.append(taking.part())
                result = Response(taking.one_of((200, 200, 400, 503)), {}, said[-1])
            elif isinstance(effect, Turn):
                seconds = effect.ask()
                clock.sleep(seconds)
                result = None
                if seconds:
                    continue
            else:
                assert isinstance(effect, Wait)
                clock.sleep(effect.seconds)
                result = None
            effect = flow.send(result)
    except StopIteration as stop:
        outcomes = stop.value
    else:
        raise AssertionError("it asks without end")
    finally:
        flow.close()
    assert len(outcomes) == len(batch.items)
    for was_taken, outcome in zip(taken, outcomes, strict=True):
        assert isinstance(outcome, (Delivered, Rejected, Deferred))
        if isinstance(outcome, Delivered):
            assert was_taken
            assert outcome.note or any(b"true" in answer for answer in said)
