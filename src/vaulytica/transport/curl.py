"""Requests by libcurl: one transport for threads, one for asyncio, over the same prepared handles.

A handle keeps its connection, so handles are pooled; a forked child leaves its parent's alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING
from weakref import WeakSet

import pycurl

from vaulytica.delivery.request import Probe, Request, Response
from vaulytica.errors import FailureKind, TransportFailure
from vaulytica.transport.curl_failures import failure_of
from vaulytica.transport.exchange import Exchange, InterruptibleExchange, Prober
from vaulytica.transport.network import Network

if TYPE_CHECKING:
    import asyncio


class _Pool:
    """Handles at rest. A forked child starts anew: on the parent's connections it must not say a word."""

    def __init__(self, kind: type[Exchange], network: Network) -> None:
        self._kind = kind
        self._network = network
        self._free: list[Exchange] = []
        self.closed = False
        _ALIVE.add(self)

    def take(self) -> Exchange:
        if self.closed:
            raise TransportFailure(FailureKind.REQUEST, "the sender is closed", retryable=False)
        try:
            return self._free.pop()
        except IndexError:
            pass
        return self._kind(self._network)

    def give_back(self, exchange: Exchange) -> None:
        if not self.closed:
            self._free.append(exchange)

    def prober(self) -> Prober:
        return Prober(self._network)

    def close(self) -> None:
        self.closed = True
        while self._free:
            self._free.pop().curl.close()

    def forget(self) -> None:
        _keep_for_ever(self._free)
        self._free = []


class CurlTransport:
    """Sync; one sender may be shared by many threads, each uses a handle of its own."""

    def __init__(self, network: Network = Network()) -> None:
        self._pool = _Pool(InterruptibleExchange, network)

    def send(self, request: Request) -> Response:
        """Make the request; raises `TransportFailure`."""
        exchange = self._pool.take()
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
        prober = self._pool.prober()
        prober.open(url, timeout)
        try:
            while True:
                try:
                    prober.curl.perform()
                    return prober.probe()
                except pycurl.error as error:
                    if not prober.goes_on(error):
                        raise failure_of(error.args[0], error.args[1]) from None
        finally:
            prober.curl.close()

    def close(self) -> None:
        """Drop all connections."""
        self._pool.close()


class AsyncCurlTransport:
    """For asyncio, any number of requests in flight. Bound to the running loop; a new loop starts anew."""

    def __init__(self, network: Network = Network()) -> None:
        self._pool = _Pool(Exchange, network)
        self._multi: pycurl.AsyncCurlMulti | None = None
        self._distrust = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running_loop: Callable[[], asyncio.AbstractEventLoop] | None = None
        _ALIVE.add(self)

    async def send(self, request: Request) -> Response:
        """Make the request; raises `TransportFailure`."""
        exchange = self._pool.take()
        exchange.prepare(request, anew=self._distrust)
        self._distrust = False
        while True:
            try:
                await self._running().add_handle(exchange.curl)
                break
            except pycurl.error as error:
                if not exchange.goes_on(error):
                    return exchange.failed(error)
        try:
            answer = exchange.answer()
        except TransportFailure:
            # libcurl keeps this connection, which is dead, for the next one, and does not look.
            self._distrust = True
            raise
        # Not so after a failure, nor when cancelled: libcurl lets go of that transfer only later.
        self._pool.give_back(exchange)
        return answer

    async def connect(self, url: str, timeout: float) -> Probe:
        """Open a connection and close it again; raises `TransportFailure`."""
        prober = self._pool.prober()
        prober.open(url, timeout)
        while True:
            try:
                await self._running().add_handle(prober.curl)
                return prober.probe()
            except pycurl.error as error:
                if not prober.goes_on(error):
                    raise failure_of(error.args[0], error.args[1]) from None

    async def aclose(self) -> None:
        """Drop all connections."""
        self._pool.close()
        self._drop()

    def __del__(self) -> None:
        self._drop()

    def _drop(self) -> None:
        multi, self._multi = self._multi, None
        if multi is not None and self._loop is not None:
            _close_now(multi, self._loop)

    def forget(self) -> None:
        """Leave all connections to the parent process."""
        _keep_for_ever(self._multi)
        self._multi = None

    def _running(self) -> pycurl.AsyncCurlMulti:
        if self._running_loop is None:
            from asyncio import get_running_loop

            self._running_loop = get_running_loop
        loop = self._running_loop()
        if self._multi is None or self._loop is not loop:
            self._drop()
            self._multi, self._loop = pycurl.AsyncCurlMulti(), loop
        return self._multi


def _close_now(multi: pycurl.AsyncCurlMulti, loop: asyncio.AbstractEventLoop) -> None:
    """Close it, whatever became of its loop: freed as it is, it would ask a closed loop for watchers."""
    from asyncio import _get_running_loop

    if loop.is_running() and _get_running_loop() is not loop:
        return  # in use by another thread
    with suppress(StopIteration, RuntimeError):
        multi.aclose().send(None)  # it awaits nothing


_ALIVE: WeakSet[_Pool | AsyncCurlTransport] = WeakSet()


def _forget_all() -> None:
    for holder in list(_ALIVE):
        holder.forget()


os.register_at_fork(after_in_child=_forget_all)


def _keep_for_ever(thing: object) -> None:
    """Never free it: to free a parent's connection in a child says goodbye (TLS) in the parent's name."""
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
