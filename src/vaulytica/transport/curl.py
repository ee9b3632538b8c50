"""Requests by libcurl: one transport for threads, one for asyncio, over the same prepared handles.

A handle keeps its connection, so handles are pooled. What libcurl would do unasked stays off: no
redirects, netrc, cookies, decompression, nor proxies from the environment unless `trust_env`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import certifi
import pycurl

from vaulytica.delivery.request import (
    MAX_ANSWER_BYTES,
    Certificate,
    Header,
    Probe,
    Request,
    Response,
)
from vaulytica.errors import FailureKind, TransportFailure
from vaulytica.transport.curl_failures import failure_of

if TYPE_CHECKING:
    import asyncio


class Exchange:
    """A libcurl handle with its settings, used for one request after another."""

    def __init__(self, *, verify: bool, proxy: str | None, trust_env: bool) -> None:
        self._head: list[bytes] = []
        self._body: list[bytes] = []
        self._room = MAX_ANSWER_BYTES
        self._unsent = b""
        self._sent = 0
        self._url = ""
        self._timeout_ms = 0
        self.curl = curl = pycurl.Curl()
        curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        curl.setopt(pycurl.FOLLOWLOCATION, 0)
        curl.setopt(pycurl.NETRC, pycurl.NETRC_IGNORED)
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.TCP_NODELAY, 1)
        curl.setopt(pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_2)
        curl.setopt(pycurl.CAINFO, certifi.where())
        curl.setopt(pycurl.SSL_VERIFYPEER, 1 if verify else 0)
        curl.setopt(pycurl.SSL_VERIFYHOST, 2 if verify else 0)
        if proxy is not None or not trust_env:
            curl.setopt(pycurl.PROXY, proxy or "")  # "" also overrules the environment
            curl.setopt(pycurl.NOPROXY, "")  # whose no_proxy could lead around the proxy given
        curl.setopt(pycurl.POST, 1)
        curl.setopt(pycurl.HEADERFUNCTION, self._head.append)
        curl.setopt(pycurl.WRITEFUNCTION, self._take)
        # libcurl cannot rewind a function. Given the bytes themselves it would send them once more,
        # unasked and uncounted, when a kept connection ends before an answer.
        curl.setopt(pycurl.READFUNCTION, self._give)

    def prepare(self, request: Request) -> None:
        """Set what differs from request to request."""
        if request.url != self._url:
            self.curl.setopt(pycurl.URL, request.url)
            self._url = request.url
        timeout_ms = max(1, int(request.timeout * 1000))
        if timeout_ms != self._timeout_ms:
            self.curl.setopt(pycurl.TIMEOUT_MS, timeout_ms)
            self.curl.setopt(pycurl.CONNECTTIMEOUT_MS, timeout_ms)
            self._timeout_ms = timeout_ms
        # "Expect:" keeps libcurl from asking first (100-continue) before a large body.
        lines = [f"{name}: {value}" if value else f"{name};" for name, value in request.headers]
        lines.append("Expect:")
        try:
            self.curl.setopt(pycurl.HTTPHEADER, lines)
        except UnicodeEncodeError:
            self.curl.setopt(pycurl.HTTPHEADER, [line.encode("utf-8") for line in lines])
        self._unsent, self._sent = request.body, 0
        self.curl.setopt(pycurl.POSTFIELDSIZE_LARGE, len(request.body))
        self._head.clear()
        self._body.clear()
        self._room = MAX_ANSWER_BYTES

    def answer(self) -> Response:
        """What came back, after a transfer that succeeded."""
        if not _ended(self._head):
            # libcurl takes the end of the connection for the end of the headers.
            raise TransportFailure(FailureKind.BROKEN, "the connection broke within the headers")
        status = self.curl.getinfo(pycurl.RESPONSE_CODE)
        return Response(status, _headers(self._head.copy()), b"".join(self._body))

    def failed(self, error: pycurl.error) -> Response:
        """The answer all the same, if we ended the transfer ourselves; else raises `TransportFailure`."""
        code, message = error.args[0], error.args[1] if len(error.args) > 1 else ""
        if code == pycurl.E_WRITE_ERROR and self._room == 0:
            return self.answer()
        if self.curl.getinfo(pycurl.HTTP_CONNECTCODE) == 407:  # for a tunnel; else it is an answer
            return Response(407, _headers(self._head.copy()))
        raise failure_of(code, message) from None

    def _give(self, size: int) -> bytes:
        start = self._sent
        self._sent += size
        return self._unsent[start : self._sent]

    def _take(self, chunk: bytes) -> int | None:
        if len(chunk) <= self._room:
            self._room -= len(chunk)
            self._body.append(chunk)
            return None
        self._body.append(chunk[: self._room])
        self._room = 0
        return 0  # less than we were given: libcurl ends the transfer


class Prober(Exchange):
    """A handle that connects (and shakes hands) to a URL's host, and sends nothing."""

    def open(self, url: str, timeout: float) -> None:
        """Set what to connect to."""
        self.prepare(Request(url, (), b"", timeout))
        self.curl.setopt(pycurl.CONNECT_ONLY, 1)
        self.curl.setopt(pycurl.OPT_CERTINFO, 1)

    def probe(self) -> Probe:
        """What the connection showed."""
        address = f"{self.curl.getinfo(pycurl.PRIMARY_IP)}:{self.curl.getinfo(pycurl.PRIMARY_PORT)}"
        chain = self.curl.getinfo(pycurl.INFO_CERTINFO)
        return Probe(address, _certificate(dict(chain[0])) if chain else None)


class _Pool:
    """Handles at rest. A forked child starts anew: on the parent's connections it must not say a word."""

    def __init__(self, kind: type[Exchange], settings: dict[str, Any]) -> None:
        self._kind = kind
        self._settings = settings
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
        return self._kind(**self._settings)

    def give_back(self, exchange: Exchange) -> None:
        if not self.closed:
            self._free.append(exchange)

    def prober(self) -> Prober:
        return Prober(**self._settings)

    def close(self) -> None:
        self.closed = True
        while self._free:
            self._free.pop().curl.close()

    def forget(self) -> None:
        _keep_for_ever(self._free)
        self._free = []


class _SyncExchange(Exchange):
    """A handle whose transfer Ctrl-C can end: Python looks at signals only when it is called."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.curl.setopt(pycurl.NOPROGRESS, 0)
        self.curl.setopt(pycurl.XFERINFOFUNCTION, lambda *_: None)


class CurlTransport:
    """Sync; one sender may be shared by many threads, each uses a handle of its own."""

    def __init__(
        self, *, verify: bool = True, proxy: str | None = None, trust_env: bool = False
    ) -> None:
        self._pool = _Pool(
            _SyncExchange, {"verify": verify, "proxy": proxy, "trust_env": trust_env}
        )

    def send(self, request: Request) -> Response:
        """Make the request; raises `TransportFailure`."""
        exchange = self._pool.take()
        try:
            exchange.prepare(request)
            exchange.curl.perform()
            return exchange.answer()
        except pycurl.error as error:
            return exchange.failed(error)
        finally:
            self._pool.give_back(exchange)

    def connect(self, url: str, timeout: float) -> Probe:
        """Open a connection and close it again; raises `TransportFailure`."""
        prober = self._pool.prober()
        prober.open(url, timeout)
        try:
            prober.curl.perform()
            return prober.probe()
        except pycurl.error as error:
            raise failure_of(error.args[0], error.args[1]) from None
        finally:
            prober.curl.close()

    def close(self) -> None:
        """Drop all connections."""
        self._pool.close()


class AsyncCurlTransport:
    """For asyncio, any number of requests in flight. Bound to the running loop; a new loop starts anew."""

    def __init__(
        self, *, verify: bool = True, proxy: str | None = None, trust_env: bool = False
    ) -> None:
        self._pool = _Pool(Exchange, {"verify": verify, "proxy": proxy, "trust_env": trust_env})
        self._multi: pycurl.AsyncCurlMulti | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running_loop: Callable[[], asyncio.AbstractEventLoop] | None = None
        _ALIVE.add(self)

    async def send(self, request: Request) -> Response:
        """Make the request; raises `TransportFailure`."""
        exchange = self._pool.take()
        exchange.prepare(request)
        try:
            await self._running().add_handle(exchange.curl)
        except pycurl.error as error:
            self._pool.give_back(exchange)
            return exchange.failed(error)
        # A cancelled exchange is not given back: libcurl lets go of it only later.
        answer = exchange.answer()
        self._pool.give_back(exchange)
        return answer

    async def connect(self, url: str, timeout: float) -> Probe:
        """Open a connection and close it again; raises `TransportFailure`."""
        prober = self._pool.prober()
        prober.open(url, timeout)
        try:
            await self._running().add_handle(prober.curl)
            return prober.probe()
        except pycurl.error as error:
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


def _ended(lines: list[bytes]) -> bool:
    """Whether the last block's headers ended with an empty line; trailers may come after it."""
    for line in reversed(lines):
        if line in (b"\r\n", b"\n"):
            return True
        if line.startswith(b"HTTP/"):
            break
    return False


def _headers(lines: list[bytes]) -> Iterator[Header]:
    """The last block's headers: before it may stand a proxy's, or a 100 Continue."""
    starts = [n for n, line in enumerate(lines) if line.startswith(b"HTTP/")]
    for line in lines[starts[-1] if starts else 0 :]:
        name, colon, value = line.partition(b":")
        if colon:
            yield name.decode("latin-1"), value.decode("latin-1").strip()


def _certificate(fields: dict[str, str]) -> Certificate | None:
    from email.utils import parsedate_to_datetime

    try:
        expires = parsedate_to_datetime(fields["Expire date"]).timestamp()
    except (KeyError, ValueError):
        return None
    return Certificate(fields.get("Subject", ""), expires)
