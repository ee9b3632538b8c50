"""The relay's HTTP server: one ASGI application, handlers by path, and nothing between the two.

A router of a framework costs more than what most of the requests here need altogether.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Handler = Callable[[Scope, Receive, Send], Awaitable[None]]
"""Answers requests for one path, any method: an ASGI application of its own, for `http` scopes only."""


class App:
    """The application; `routes` may be exchanged while it runs. `missed` hears 404, for what is none of them."""

    def __init__(
        self,
        routes: Mapping[str, Handler],
        missed: Callable[[int], object] = lambda status: None,  # noqa: ARG005 - nobody listens
    ) -> None:
        self.routes, self._missed = dict(routes), missed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's entry."""
        if scope["type"] != "http":
            return
        handler = self.routes.get(scope["path"])
        if handler is None:
            self._missed(404)
            await respond(send, 404, b'{"error":"there is nothing here"}\n')
        else:
            await handler(scope, receive, send)


async def respond(
    send: Send,
    status: int,
    body: bytes,
    content_type: bytes = b"application/json",
    headers: Iterable[tuple[bytes, bytes]] = (),
) -> None:
    """The whole answer at once; header names in lower case."""
    fixed = [(b"content-type", content_type), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})
    await send({"type": "http.response.body", "body": body})
