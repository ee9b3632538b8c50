"""The fixtures over real sockets that these tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.fixtures import ca, ca_file, kind, sender_of, serve, trusted  # noqa: F401
from support.transports import Under, under
from vaulytica.transport.curl import AsyncCurlTransport, CurlTransport
from vaulytica.transport.memory import AsyncMemoryTransport, MemoryTransport


@pytest.fixture(params=[CurlTransport, AsyncCurlTransport])
def curl(request: pytest.FixtureRequest) -> Iterator[Under]:
    """The transports that have a network."""
    with under(request.param()) as made:
        yield made


@pytest.fixture(params=[CurlTransport, AsyncCurlTransport, MemoryTransport, AsyncMemoryTransport])
def any_transport(request: pytest.FixtureRequest) -> Iterator[Under]:
    """All transports; those without a network answer 200."""
    with under(request.param()) as made:
        yield made
