"""ASGI middleware: Starlette, FastAPI, Django's and Quart's async side, or any other app."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from vaulytica.receiving.guard import VERIFIED, Guard, Refusal, answer
from vaulytica.receiving.replays import Handling
from vaulytica.receiving.threads import begin, end

# Of an answer; the latter two are extensions, for files.
_PARTS = ("http.response.body", "http.response.pathsend", "http.response.zerocopysend")

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
            once = self._guard.once
            handling = None if once is None else await begin(once, verified)
        except Refusal as error:
            await _refuse(error, scope, send)
            return
        inner = {**scope, VERIFIED: verified}
        if handling is None:
            await self._app(inner, _replayed(body, receive), send)
            return
        answering = _Answering(handling, send)
        try:
            await self._app(inner, _replayed(body, receive), answering.send)
        except BaseException:
            await answering.end(is_over=False)
            raise
        await answering.end(is_over=True)

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


class _Answering:
    """Passes the app's answer on; when it is whole, what it says of the request is noted, and then it is sent.

    So where the noting fails, its sender is not told 2xx. A client that has gone undoes nothing: what
    the app said counts, not whether it was heard.
    """

    def __init__(self, handling: Handling, send: Send) -> None:
        self._handling = handling
        self._send = send
        self._status = 500
        self._start: Message | None = None  # held back until more of the answer is there
        self._is_noted = False
        self._is_gone = False

    async def send(self, message: Message) -> None:
        """What the app calls."""
        if message["type"] == "http.response.start":
            self._status, self._start = message["status"], message
            return
        if message["type"] in _PARTS and not message.get("more_body", False):
            await self._note(200 <= self._status < 300)
        try:
            await self._flush()
            await self._send(message)
        except BaseException:
            self._is_gone = True
            raise

    async def end(self, *, is_over: bool) -> None:
        """The app has returned, or raised."""
        await self._note(200 <= self._status < 300 and (is_over or self._is_gone))
        if is_over:
            await self._flush()

    async def _flush(self) -> None:
        if self._start is not None:
            start, self._start = self._start, None
            await self._send(start)

    async def _note(self, is_done: bool) -> None:
        if not self._is_noted:
            self._is_noted = True
            await end(self._handling, is_done=is_done)


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
