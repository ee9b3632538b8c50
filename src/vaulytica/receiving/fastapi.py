"""A dependency for FastAPI, for single routes: `verified: Annotated[Verified, Depends(signed(SECRET))]`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from fastapi import HTTPException, Request

from vaulytica.errors import WebhookConfigError
from vaulytica.receiving.guard import Guard, Refusal, answer
from vaulytica.receiving.threads import begin, end
from vaulytica.receiving.verification import Verified


def signed(
    secrets: str | Sequence[str], **settings: Any
) -> Callable[[Request], AsyncIterator[Verified]]:
    """The dependency; settings are those of `Guard`. The body is in `Verified.body`.

    With `seen`, an exception in the route lets the next attempt in, `HTTPException` too; an answer
    returned does not, whatever its status.
    """
    guard = Guard(secrets, **settings)

    async def verified(request: Request) -> AsyncIterator[Verified]:
        try:
            found = guard.verifier.verify(request.headers.raw, await _body(request, guard))
            once = guard.once
            handling = None if once is None else await begin(once, found)
        except Refusal as error:
            status, headers, _ = answer(error)
            more = {name: value for name, value in headers if not name.startswith("Content-")}
            raise HTTPException(status, str(error), more) from None
        is_done = False
        try:
            yield found
            is_done = True
        finally:
            if handling is not None:
                await end(handling, is_done=is_done)

    return verified


async def _body(request: Request, guard: Guard) -> bytes:
    if getattr(request.scope.get("route"), "body_field", None) is not None:
        raise WebhookConfigError(
            "signed: this route takes its body as a parameter, so FastAPI reads all of it before "
            "any signature is looked at; read Verified.body instead, or use the middleware"
        )
    guard.length(request.headers.getlist("content-length"))
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        guard.refuse_size(len(body))
    return bytes(body)
