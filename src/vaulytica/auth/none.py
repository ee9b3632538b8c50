"""No authentication."""

from __future__ import annotations

from collections.abc import Sequence

from vaulytica.delivery.ports import Flow, Send
from vaulytica.delivery.request import Request, Response


class NoAuth:
    """Sends the request as it is."""

    name = "none"
    header_names: tuple[str, ...] = ()
    travels = False  # no secret does

    def flow(self, request: Request, now: float) -> Flow[Response]:
        """Send."""
        response: Response = yield Send(request)
        return response

    def secrets(self) -> Sequence[str]:
        """There are none."""
        return ()
