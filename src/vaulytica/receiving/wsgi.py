"""WSGI middleware: Flask, Django, or any other app."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import Any

from vaulytica.receiving.guard import VERIFIED, BadRequest, Guard, Refusal, answer
from vaulytica.receiving.replays import Handling

Environ = dict[str, Any]
App = Callable[[Environ, Any], Iterable[bytes]]


class LengthRequired(BadRequest):
    """WSGI cannot tell where the body ends."""

    status = 411


class SignatureWSGIMiddleware:
    """Lets in what is signed, and answers the rest itself; settings are those of `Guard`.

    The app gets the body as it was verified, and a `Verified` in `environ["vaulytica.verified"]`.
    With `seen`, an answer other than 2xx, or an exception, lets the next attempt in.
    """

    def __init__(self, app: App, secrets: str | Sequence[str], **settings: Any) -> None:
        self._app = app
        self._guard = Guard(secrets, **settings)

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """One request."""
        try:
            body = self._body(environ)
            verified = self._guard.verifier.verify(_headers(environ), body)
            once = self._guard.once
            handling = None if once is None else once.begin(verified)
        except Refusal as error:
            status, headers, text = answer(error)
            given = [pair for pair in headers if pair[0] != "Connection"]  # the server's, in WSGI
            start_response(f"{status} {HTTPStatus(status).phrase}", given)
            return [text]
        environ = {
            **environ,
            "wsgi.input": io.BytesIO(body),
            "CONTENT_LENGTH": str(len(body)),
            VERIFIED: verified,
        }
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        if handling is None:
            return self._app(environ, start_response)
        return self._watched(handling, environ, start_response)

    def _body(self, environ: Environ) -> bytes:
        given = environ.get("CONTENT_LENGTH")  # empty is none, by PEP 3333
        length = self._guard.length([given] if given else [])
        stream = environ["wsgi.input"]
        if length is not None:
            body: bytes = stream.read(length)
            if len(body) < length:
                raise BadRequest("the body ended early")
            return body
        if environ.get("wsgi.input_terminated"):
            body = stream.read(self._guard.max_body + 1)
            self._guard.refuse_size(len(body))
            return body
        if environ.get("HTTP_TRANSFER_ENCODING"):
            raise LengthRequired("a Content-Length is needed")
        return b""

    def _watched(
        self, handling: Handling, environ: Environ, start_response: Any
    ) -> Iterator[bytes]:
        """The app's answer; its last part is held back until what it says of the request is noted.

        So where the noting fails, its sender is not told 2xx. A client that has gone undoes nothing:
        what the app said counts, not whether it was heard.
        """
        status = 500

        def watching(line: str, *arguments: Any, **more: Any) -> Any:
            nonlocal status
            status = int(line[:3])
            return start_response(line, *arguments, **more)

        held: list[bytes] = []
        try:
            parts = self._app(environ, watching)
            try:
                for part in parts:
                    yield from held
                    held = [part]
            finally:
                close = getattr(parts, "close", None)
                if close is not None:
                    close()
        except GeneratorExit:  # from the server: nobody listens any more
            _note(handling, status)
            raise
        except BaseException:
            handling.failed()
            raise
        _note(handling, status)
        yield from held


def _note(handling: Handling, status: int) -> None:
    (handling.done if 200 <= status < 300 else handling.failed)()


def _headers(environ: Environ) -> Iterator[tuple[str, str]]:
    for name, value in environ.items():
        if name.startswith("HTTP_"):
            yield name.removeprefix("HTTP_").replace("_", "-"), value
