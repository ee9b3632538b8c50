"""What a lane sends by: the usual transport, and a stopwatch."""

from __future__ import annotations

import time

from vaulytica.delivery.ports import AsyncTransport
from vaulytica.delivery.request import Request, Response
from vaulytica.errors import TransportFailure
from vaulytica.relay.config import DestinationSettings
from vaulytica.relay.watching.metrics import Counters
from vaulytica.sending import async_curl_transport


class Timed:
    """Tells how long each attempt took, and whether it was answered well."""

    def __init__(self, inner: AsyncTransport, counters: Counters) -> None:
        self._inner, self._counters = inner, counters

    async def send(self, request: Request) -> Response:
        """Make the request; raises `TransportFailure`."""
        began = time.perf_counter()
        try:
            response = await self._inner.send(request)
        except TransportFailure:
            self._counters.failed.inc()
            raise
        finally:
            self._counters.seconds.observe(time.perf_counter() - began)
        if not 200 <= response.status < 300:
            self._counters.failed.inc()
        return response

    async def aclose(self) -> None:
        """Drop all connections."""
        await self._inner.aclose()


def timed_transport(settings: DestinationSettings, counters: Counters) -> AsyncTransport:
    """For one destination."""
    return Timed(async_curl_transport(settings), counters)
