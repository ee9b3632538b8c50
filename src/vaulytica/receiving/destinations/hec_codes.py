"""HEC's codes, and the answers that say them. Source: "Troubleshoot HTTP Event Collector"."""

from __future__ import annotations

from typing import Any

from vaulytica.receiving.destinations.strict import Refused, What, json_answer
from vaulytica.receiving.receiver import Answer

# HTTP status and text of each.
CODES: dict[int, tuple[int, str]] = {
    0: (200, "Success"),
    1: (403, "Token disabled"),
    2: (401, "Token is required"),
    3: (401, "Invalid authorization"),
    4: (403, "Invalid token"),
    5: (400, "No data"),
    6: (400, "Invalid data format"),
    7: (400, "Incorrect index"),
    8: (500, "Internal server error"),
    9: (503, "Server is busy"),
    10: (400, "Data channel is missing"),
    11: (400, "Invalid data channel"),
    12: (400, "Event field is required"),
    13: (400, "Event field cannot be blank"),
    14: (400, "ACK is disabled"),
    15: (400, "Error in handling indexed fields"),
    16: (400, "Query string authorization is not enabled"),
    17: (200, "HEC is healthy"),
    18: (503, "HEC is unhealthy, queues are full"),
    19: (503, "HEC is unhealthy, ack service unavailable"),
    20: (503, "HEC is unhealthy, queues are full, ack service unavailable"),
    21: (400, "Invalid token"),
    22: (400, "Token disabled"),
    23: (503, "Server is shutting down"),
    24: (200, "HEC queue is approaching its capacity limit"),
    25: (200, "HEC ACK is approaching its capacity limit"),
    26: (429, "HEC queue is at capacity and cannot process any more requests"),
    27: (429, "HEC ACK channel is at capacity and cannot process any more requests"),
}


def said(code: int, *, number: int | None = None, ack_id: int | None = None) -> Answer:
    """The answer for a code, with the number of the invalid event or the id to ask for."""
    status, text = CODES[code]
    body: dict[str, Any] = {"text": text, "code": code}
    if number is not None:
        body["invalid-event-number"] = number
    if ack_id is not None:
        body["ackId"] = ack_id
    return json_answer(status, body)


class HecFault(Refused):
    """What is not taken, by HEC's code; of an event also itself, and its number for the answer."""

    def __init__(self, code: int, why: str, number: int | None = None, event: Any = None) -> None:
        status, text = CODES[code]
        what = What.DEFERRED if status in (429, 500, 503) else What.REFUSED
        super().__init__(said(code, number=number), f"{text}: {why}", event, what)
