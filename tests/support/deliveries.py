"""One event delivered on canned answers, with schemes that sign by the time or have nothing to sign with."""

from __future__ import annotations

from typing import Any

from support import heart
from support.heart import Canned, batch_of, guide_event
from vaulytica.delivery.destination import Destination
from vaulytica.delivery.outcome import Result
from vaulytica.delivery.policy import RetryPolicy
from vaulytica.delivery.ports import Flow, send
from vaulytica.delivery.request import Request, Response
from vaulytica.errors import AuthFailure, FailureKind, TransportFailure

OK = Response(200)
BUSY = Response(503, (), b"busy")
NO_JITTER = RetryPolicy(jitter=False)


def timeout() -> TransportFailure:
    return TransportFailure(FailureKind.TIMEOUT, "no whole answer in time")


class StampAuth:
    """Signs with the time, as schemes do whose signatures grow old."""

    name = "stamp"
    header_names = ("X-Stamp",)

    def flow(self, request: Request, now: float) -> Flow[Response]:
        return (yield from send(request.with_headers(("X-Stamp", f"{now:.1f}"))))

    def secrets(self) -> tuple[str, ...]:
        return ()


class LockedAuth(StampAuth):
    """Has no credentials to send, for good or for now."""

    def __init__(self, failure: AuthFailure) -> None:
        self.failure = failure

    def flow(self, request: Request, now: float) -> Flow[Response]:
        yield from ()
        raise self.failure


def delivered(canned: Canned, to: Destination, dice: float = 0.5, **more: Any) -> Result:
    """The one result of the guide's event, delivered on canned answers that are all used."""
    batch = batch_of(to.format, guide_event())
    (result,) = heart.delivered(canned, to, batch, dice, **more)
    assert canned.all_used
    return result
