"""Transports behind one sync face, so that one suite of tests runs over all of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from support.faulty import Faulty
from vaulytica.integrations.webhook import Request, Response, TransportFailure

HEADERS = (("Content-Type", "application/json"), ("X-Team", "blue"))


@dataclass
class Under:
    """A transport under test, behind one sync face; async ones run on a loop of their own."""

    transport: Any
    runner: asyncio.Runner | None = None

    def send(self, request: Request) -> Response:
        if self.runner is None:
            return self.transport.send(request)
        return self.runner.run(self.transport.send(request))

    def send_all(self, requests: list[Request]) -> list[Response]:
        """All at the same time."""
        if self.runner is None:
            with ThreadPoolExecutor(len(requests)) as threads:
                return list(threads.map(self.transport.send, requests))

        async def gather() -> list[Response]:
            return await asyncio.gather(*map(self.transport.send, requests))

        return self.runner.run(gather())

    def close(self) -> None:
        if self.runner is None:
            self.transport.close()
        else:
            self.runner.run(self.transport.aclose())


@contextlib.contextmanager
def under(transport: Any) -> Iterator[Under]:
    runner = asyncio.Runner() if hasattr(transport, "aclose") else None
    made = Under(transport, runner)
    yield made
    made.close()
    if runner is not None:
        runner.close()


def to(server: Faulty | str, body: bytes = b"{}", **more: Any) -> Request:
    url = server if isinstance(server, str) else server.url
    return Request(url, more.pop("headers", HEADERS), body, more.pop("timeout", 60.0))


def failure_of(transport: Under, request: Request) -> TransportFailure:
    with pytest.raises(TransportFailure) as caught:
        transport.send(request)
    assert str(caught.value).isprintable()
    return caught.value
