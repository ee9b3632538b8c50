"""ASGI middleware: Starlette, FastAPI, Django's and Quart's async side, or any other app."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from vaulytica.receiving.guard import VERIFIED, Guard, Refusal, answer
from vaulytica.receiving.replays import Once
from vaulytica.receiving.verification import Verified

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class SignatureASGIMiddleware:
    """Lets in what is signed, and answers the rest itself; settings are those of `Guard`.

    The app gets the body as it was verified, and a `Verified` in `scope["vaulytica.verified"]`. With
    `seen`, an answer other than 2xx, or an exception, lets the next attempt in.
    """

    def __init__(self, app: App, secrets: str | Sequence[str], **settings: Any) -> None:
        self._app = app
        self._guard = Guard(secrets, **settings)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """One request. Anything but http and the server's own start and end is refused: nothing signs it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            raise RuntimeError(f"{scope['type']} connections are not signed, and not let in")
        try:
            body = await self._body(scope, receive)
            if body is None:
                return
            verified = self._guard.verifier.verify(scope["headers"], body)
            if self._guard.once is not None:
                await asyncio.to_thread(self._guard.once.begin, verified)
        except Refusal as error:
            await _refuse(error, scope, send)
            return
        inner = {**scope, VERIFIED: verified}
        if self._guard.once is None:
            await self._app(inner, _replayed(body, receive), send)
        else:
            await self._watched(self._guard.once, inner, _replayed(body, receive), send)

    async def _body(self, scope: MutableMapping[str, Any], receive: Receive) -> bytes | None:
        """All of it, as far as it may be; None if the client has gone."""
        self._guard.length(
            value for name, value in scope["headers"] if name.lower() == b"content-length"
        )
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return None
            body += message.get("body", b"")
            more = message.get("more_body", False)
            self._guard.refuse_size(len(body))
        return bytes(body)

    async def _watched(
        self, once: Once, scope: MutableMapping[str, Any], receive: Receive, send: Send
    ) -> None:
        verified: Verified = scope[VERIFIED]
        status = 500

        async def watching(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        is_done = False
        try:
            await self._app(scope, receive, watching)
            is_done = 200 <= status < 300
        finally:
            await asyncio.to_thread(once.done if is_done else once.failed, verified)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Gives the body once, and then what the server has to say."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def _refuse(error: Any, scope: MutableMapping[str, Any], send: Send) -> None:
    status, headers, body = answer(error)
    pairs = [
        (name.lower().encode("ascii"), value.encode("ascii"))
        for name, value in headers
        if name != "Connection" or scope.get("http_version", "1.1").startswith("1")
    ]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
