"""Fixtures of tests that reach a destination through proxies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trustme

from support.faulty import OK, Faulty, replies
from support.tls import server_tls

Serve = Callable[..., Faulty]


@pytest.fixture(params=["plain", "secure"])
def server(request: pytest.FixtureRequest, serve: Serve, ca: trustme.CA, trusted: None) -> Faulty:
    """The destination, by http or by https."""
    return serve(replies(OK), tls=server_tls(ca) if request.param == "secure" else None)


@pytest.fixture
def secure(serve: Serve, ca: trustme.CA, trusted: None) -> Faulty:
    return serve(replies(OK), tls=server_tls(ca))


@pytest.fixture
def run() -> Iterator[Callable[[Any], Any]]:
    """Ends a proxy with the test; a proxy that has failed by itself fails the test."""
    running: list[Faulty] = []

    def keep(proxy: Any) -> Any:
        running.append(proxy)
        return proxy

    yield keep
    for proxy in running:
        proxy.close()
    assert [failure for proxy in running for failure in proxy.failures] == []
