"""`POST /v1/events`: takes events in over HTTP, and answers when they are on disk."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack

import msgspec

from vaulytica.errors import IdempotencyConflictError, OutboxError
from vaulytica.lines import together
from vaulytica.outbox.delivery import Once
from vaulytica.relay.door.accept import Accept, Entry, Full, Receipt, Stopping
from vaulytica.relay.http.app import Receive, Scope, Send, respond
from vaulytica.relay.intake import bodies
from vaulytica.relay.intake.content import kind_of
from vaulytica.relay.intake.reading import Reader
from vaulytica.relay.intake.refusal import Refusal
from vaulytica.relay.intake.settings import IntakeSettings
from vaulytica.relay.intake.tokens import Tokens

log = logging.getLogger("vaulytica.relay.intake")

_BODIES = 8  # of the largest size, that may be in memory at a time
_FREE = 256 * 1024  # bytes that a small body may become without asking for room
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_RETRY = 5  # seconds, where nothing better is known
_encode = msgspec.json.Encoder().encode


class EventsHandler:
    """An ASGI application for that path."""

    def __init__(self, settings: IntakeSettings, accept: Accept) -> None:
        self._accept = accept
        self._tokens = Tokens(settings.tokens)
        self._limits = settings.limits
        self._room = bodies.Room(_BODIES * settings.limits.body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            receipt = await self._taken(scope, receive)
        except bodies.Gone:
            return
        except Refusal as refusal:
            self._accept.answered(refusal.status, _client(scope))
            await respond(send, refusal.status, refusal.body(), headers=refusal.headers)
        except Exception:
            log.exception("a request could not be handled; its client is told 500")
            self._accept.answered(500, _client(scope))
            await respond(send, 500, b'{"error":"this relay failed; its log says why"}\n')
        else:
            self._accept.answered(202)
            answer = {"accepted": len(receipt.ids), "ids": list(receipt.ids)}
            headers = [(b"idempotent-replayed", b"true")] if receipt.repeated else ()
            await respond(send, 202, _encode(answer) + b"\n", headers=headers)

    async def _taken(self, scope: Scope, receive: Receive) -> Receipt:
        """What was accepted; else raise `Refusal`."""
        if scope["method"] != "POST":
            raise Refusal(405, "events are taken by POST", headers=[(b"allow", b"POST")])
        headers = dict(scope["headers"])
        holder = self._holder(headers)
        read = kind_of(headers)
        key = _idempotency_key(scope["headers"], holder)
        async with AsyncExitStack() as held:
            body = await self._body(headers, receive, held)
            if not body.strip() and b"ce-specversion" not in headers:
                raise Refusal(
                    400, "the body is empty; send one event, an array, or one on each line"
                )
            blocks: list[Sequence[Entry]] = []
            for block in read(Reader(self._limits), body):
                if blocks:  # others have their turn between two
                    await asyncio.sleep(0)
                blocks.append(block)
            once = Once(key, _digest(body, headers)) if key else None
            return await self._accepted(together(blocks), once)

    async def _body(
        self, headers: dict[bytes, bytes], receive: Receive, held: AsyncExitStack
    ) -> bytes:
        """All of it, inflated; `held` is the room that it takes."""
        most = self._limits.body
        size = bodies.expected(headers, most)
        encoding = headers.get(b"content-encoding")
        if encoding is not None and size > bodies.SMALL:
            size = most  # it will be larger than it is now
        await held.enter_async_context(self._room.of(size))
        body = await bodies.read(receive, most)
        if encoding is None:
            return body
        if size < most:
            try:
                return await bodies.inflated(body, encoding, min(most, _FREE))
            except Refusal as refusal:
                if refusal.status != 413:
                    raise
            await held.enter_async_context(self._room.of(most))
        return await bodies.inflated(body, encoding, most)

    def _holder(self, headers: dict[bytes, bytes]) -> str:
        if self._tokens:
            return self._tokens.holder(headers.get(b"authorization"))
        if b"origin" in headers:  # a page in somebody's browser, which can reach loopback
            raise Refusal(403, "a web page needs a token; set intake.tokens")
        return ""

    async def _accepted(self, entries: Sequence[Entry], once: Once | None) -> Receipt:
        if not entries:
            return Receipt(())
        try:
            return await self._accept(entries, once=once)
        except Full as full:
            seconds = max(1, round(full.retry_after))
            status = 503 if isinstance(full, Stopping) else 429
            raise Refusal(status, str(full), headers=[(b"retry-after", b"%d" % seconds)]) from None
        except IdempotencyConflictError:
            raise Refusal(
                422, "this Idempotency-Key was used for another body; use each for one request"
            ) from None
        except OutboxError:  # which the door has said
            raise Refusal(
                503,
                "the relay cannot keep events now; its log says why",
                headers=[(b"retry-after", b"%d" % _RETRY)],
            ) from None


def _client(scope: Scope) -> str | None:
    """Its address; None on a Unix socket."""
    client = scope.get("client")
    return client[0] if client else None


def _digest(body: bytes, headers: dict[bytes, bytes]) -> str:
    """Of what was asked; a binary CloudEvent asks by its headers, too."""
    digest = hashlib.sha256(body)
    for name in sorted(name for name in headers if name.startswith(b"ce-")):
        digest.update(b"\0%s\0%s" % (name, headers[name]))
    return digest.hexdigest()


def _idempotency_key(headers: Iterable[tuple[bytes, bytes]], holder: str) -> str:
    """The client's key, made one of its own, as another client may use the same; empty if there is none."""
    keys = {value.strip() for name, value in headers if name == b"idempotency-key"}
    if not keys:
        return ""
    if len(keys) > 1:
        raise Refusal(400, "there are several Idempotency-Key; a request has one")
    text = keys.pop().decode("latin-1")
    if not _KEY.fullmatch(text):
        raise Refusal(400, "Idempotency-Key must be 1 to 255 visible ASCII characters")
    return f"{holder}:{text}"
