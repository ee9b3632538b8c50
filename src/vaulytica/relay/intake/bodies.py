"""A request's body: read no further than the limit, and inflated no further either."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from vaulytica.relay.http.app import Receive
from vaulytica.relay.intake.refusal import Refusal

_GZIP = 31  # zlib's window bits for gzip's format
SMALL = 64 * 1024  # bytes that uvicorn holds of a request in any case
_PATIENCE = 10.0  # seconds to wait for room
_MEMBERS = 100  # files of gzip in one body, each of which costs a while


class Gone(Exception):
    """The client went away before its request was whole."""


class Room:
    """Bounds what the bodies of all requests together take in memory, in bytes."""

    def __init__(self, most: int) -> None:
        self._left = most
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def of(self, size: int) -> AsyncIterator[None]:
        """Wait for so much room; `Refusal` (503) where there is none for too long."""
        if size <= SMALL:
            yield
            return
        await self._take(size)
        try:
            yield
        finally:
            self._left += size
            self._serve()

    async def _take(self, size: int) -> None:
        if not self._waiting and size <= self._left:
            self._left -= size
            return
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (size, told)
        self._waiting.append(entry)
        try:
            await asyncio.wait_for(told, _PATIENCE)
        except BaseException as error:
            if entry in self._waiting:
                self._waiting.remove(entry)
                self._serve()
            elif told.done() and not told.cancelled():  # served just then
                self._left += size
                self._serve()
            if isinstance(error, TimeoutError):
                raise Refusal(
                    503, "too many large requests at a time", headers=[(b"retry-after", b"5")]
                ) from None
            raise

    def _serve(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._left:
            size, told = self._waiting.pop(0)
            if not told.done():
                self._left -= size
                told.set_result(None)


def expected(headers: dict[bytes, bytes], most: int) -> int:
    """How large it will be at most; `Refusal` (413) where it says itself that it is too large."""
    length = headers.get(b"content-length")
    if length is None:
        return most if b"transfer-encoding" in headers else 0
    if int(length) > most:  # that it is a number, the HTTP parser has seen to
        raise too_large(most)
    return int(length)


async def read(receive: Receive, most: int) -> bytes:
    """All of it; `Refusal` (413) as soon as it is more than `most` bytes."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if message["type"] == "http.request" and not message.get("more_body"):
        if len(body) > most:
            raise too_large(most)
        return body
    parts, size = [body], len(body)
    while message["type"] == "http.request":
        if size > most:
            raise too_large(most)
        if not message.get("more_body"):
            return b"".join(parts)
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
    raise Gone


async def inflated(body: bytes, encoding: bytes, most: int) -> bytes:
    """What it was before it was compressed, if that is `most` bytes at most."""
    encoding = encoding.strip().lower()
    if encoding in (b"", b"identity"):
        return body
    if encoding not in (b"gzip", b"x-gzip"):
        raise Refusal(
            415, "Content-Encoding may be gzip only", headers=[(b"accept-encoding", b"gzip")]
        )
    if len(body) <= SMALL:
        return _inflated(body, most)
    return await asyncio.to_thread(_inflated, body, most)


def _inflated(body: bytes, most: int) -> bytes:
    parts: list[bytes] = []
    left = most
    try:
        for _ in range(_MEMBERS):  # it may be several, one after the other
            inflating = zlib.decompressobj(_GZIP)
            part = inflating.decompress(body, left + 1)
            parts.append(part)
            left -= len(part)
            if left < 0:
                raise too_large(most)
            if not inflating.eof:
                raise Refusal(400, "the gzip of the body ends too early")
            if not (body := inflating.unused_data):
                return b"".join(parts)
    except zlib.error:
        raise Refusal(400, "the body is not gzip, as Content-Encoding says it is") from None
    raise Refusal(400, f"the body is more than {_MEMBERS} files of gzip")


def too_large(most: int) -> Refusal:
    """The answer to a body that is."""
    return Refusal(413, f"the body is larger than {most} bytes")
