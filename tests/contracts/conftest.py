"""The fixtures that these tests share: over real sockets, and outboxes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.fixtures import ca, ca_file, kind, sender_of, serve, trusted  # noqa: F401
from support.outbox import URLS, OwnClock, the_law
from support.transports import Under, under
from vaulytica.outbox import open_outbox
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


@pytest.fixture
def clock() -> OwnClock:
    return OwnClock()


@pytest.fixture(params=URLS)
def reopen(request: Any, tmp_path: Path, clock: OwnClock) -> Iterator[Callable[..., Any]]:
    """Opens the test's outbox, any number of times."""
    opened: list[Any] = []

    def build(**settings: Any) -> Any:
        url = URLS[request.param].format(path=tmp_path)
        opened.append(open_outbox(url, **{"clock": clock, **settings}))
        return opened[-1]

    yield build
    for outbox in opened:
        outbox.close()


@pytest.fixture
def outbox(reopen: Callable[..., Any]) -> Iterator[Any]:
    """An outbox for which the law holds when the test is over."""
    made = reopen()
    yield made
    the_law(made)
