"""Requests by libcurl: one transport for threads, one for asyncio, over the same prepared handles.

A handle keeps its connection, so handles are pooled; a forked child leaves its parent's alone.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import pycurl

from vaulytica.delivery.request import Probe, Request, Response
from vaulytica.forks import heed_forks, keep_for_ever
from vaulytica.transport.exchange import Exchange, InterruptibleExchange
from vaulytica.transport.network import Network
from vaulytica.transport.pool import Pool

if TYPE_CHECKING:
    import asyncio

    from vaulytica.transport.tls import Material


class CurlTransport:
    """Sync; one sender may be shared by many threads, each uses a handle of its own."""

    def __init__(self, network: Network = Network()) -> None:
        self._pool = Pool(InterruptibleExchange, network)

    def send(self, request: Request) -> Response:
        """Make the request; raises `TransportFailure`."""
        exchange = self._pool.take(request.url)
        exchange.prepare(request)
        while True:
            try:
                exchange.curl.perform()
                answer = exchange.answer()
            except pycurl.error as error:
                if not exchange.goes_on(error):
                    return exchange.failed(error)
            else:
                self._pool.give_back(exchange)  # after a failure its connection may be half dead
                return answer

    def connect(self, url: str, timeout: float) -> Probe:
        """Open a connection and close it again; raises `TransportFailure`."""
        prober = self._pool.prober(url)
        prober.open(url, timeout)
        try:
            while True:
                try:
                    prober.curl.perform()
                    return prober.probe()
                except pycurl.error as error:
                    if not prober.goes_on(error):
                        raise prober.failure(error) from None
        finally:
            prober.curl.close()

    def close(self) -> None:
        """Drop all connections."""
        self._pool.close()


class AsyncCurlTransport:
    """For asyncio, any number of requests in flight. Bound to the running loop; a new loop starts anew."""

    def __init__(self, network: Network = Network()) -> None:
        self._pool = Pool(Exchange, network)
        self._running: _Running | None = None
        self._running_loop: Callable[[], asyncio.AbstractEventLoop] | None = None
        heed_forks(self)

    async def send(self, request: Request) -> Response:
        """Make the request; raises `TransportFailure`."""
        exchange = self._pool.take(request.url)
        exchange.prepare(request)
        try:
            await self._perform(exchange)
        except pycurl.error as error:
            return exchange.failed(error)
        answer = exchange.answer()
        # Not so after a failure, nor when cancelled: libcurl lets go of that transfer only later.
        self._pool.give_back(exchange)
        return answer

    async def connect(self, url: str, timeout: float) -> Probe:
        """Open a connection and close it again; raises `TransportFailure`."""
        prober = self._pool.prober(url)
        prober.open(url, timeout)
        try:
            await self._perform(prober)
        except pycurl.error as error:
            raise prober.failure(error) from None
        return prober.probe()

    async def _perform(self, exchange: Exchange) -> None:
        running = self._now_running()
        running.in_flight += 1
        try:
            while True:
                try:
                    await running.multi.add_handle(exchange.curl)
                    return
                except pycurl.error as error:
                    if not exchange.goes_on(error):
                        raise
        finally:
            running.in_flight -= 1
            if running is not self._running and not running.in_flight:
                running.close()

    async def aclose(self) -> None:
        """Drop all connections."""
        self._pool.close()
        self._drop()

    def __del__(self) -> None:
        self._drop()

    def _drop(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.close()

    def forked(self) -> None:
        """Leave all connections to the parent process."""
        keep_for_ever(self._running)
        self._running = None

    def _now_running(self) -> _Running:
        if self._running_loop is None:
            from asyncio import get_running_loop

            self._running_loop = get_running_loop
        loop = self._running_loop()
        running = self._running
        if running is not None and running.loop is loop:
            if running.material is self._pool.material:
                return running
            if running.in_flight:  # its connections go when what is under way has ended
                self._running = None
        self._drop()
        self._running = _Running(pycurl.AsyncCurlMulti(), loop, self._pool.material)
        return self._running


class _Running:
    """libcurl at work in a loop: the connections made with the same certificates."""

    __slots__ = ("in_flight", "loop", "material", "multi")

    def __init__(
        self, multi: pycurl.AsyncCurlMulti, loop: asyncio.AbstractEventLoop, material: Material
    ) -> None:
        self.multi, self.loop, self.material = multi, loop, material
        self.in_flight = 0

    def close(self) -> None:
        """Drop its connections, whatever became of its loop: just freed, it would ask a closed one for watchers."""
        from asyncio import _get_running_loop

        if self.loop.is_running() and _get_running_loop() is not self.loop:
            return  # in use by another thread
        with suppress(StopIteration, RuntimeError):
            self.multi.aclose().send(None)  # it awaits nothing
