"""Laws that every auth scheme keeps. Run them on one of your own: each takes an `AuthCase`, and asserts.

The tests of Vaulytica run them on its own schemes. They need no network and no time.
"""

from __future__ import annotations

import base64
import contextlib
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from vaulytica.delivery.ports import Auth
from vaulytica.delivery.redaction import redact
from vaulytica.delivery.request import Request, Response
from vaulytica.driver.sync import Driver
from vaulytica.errors import FailureKind, TransportFailure
from vaulytica.transport.memory import MemoryTransport

_CONTROL = ("\r\n", "\n", "\r", "\x00", "\x7f")
_NOW = 1761739200.0
_REQUEST = Request(
    "https://siem.example.com/hook?x=1",
    (("X-Team", "blue"), ("Webhook-Id", "e-1")),
    b'{"raw": "\xc3\xa9 \x00"}',
    9.0,
)


@dataclass(frozen=True)
class AuthCase:
    """How a scheme is made, the secrets it is made with, and what answers it wants before it sends.

    `before`: such as a token; none where the scheme sends at once. `make_with`, if given, makes it with
    another secret, and is tried with secrets that no header can hold.
    """

    make: Callable[[], Auth] = field(repr=False)
    secrets: Sequence[str] = field(default=(), repr=False)
    before: Sequence[Response] = ()
    make_with: Callable[[str], Auth] | None = field(default=None, repr=False)


def fits_the_port(case: AuthCase) -> None:
    """A name, header names, a flow, secrets."""
    auth = case.make()
    assert isinstance(auth.name, str)
    assert auth.name
    assert isinstance(auth.header_names, tuple)
    assert all(isinstance(name, str) for name in auth.header_names)
    assert all(isinstance(secret, str) and secret for secret in auth.secrets())


def sends_once_and_returns_the_answer(case: AuthCase) -> None:
    """Whatever the answer is, but for 401, which may be met with other credentials."""
    for status in (200, 204, 301, 400, 403, 407, 429, 500, 503):
        answer = Response(status)
        result, sent = _run(case, case.make(), answer)
        assert result is answer
        assert len(sent) == 1


def sends_the_same_bytes(case: AuthCase) -> None:
    """The body, the headers that are there, and the time to spend stay; only headers are added."""
    auth = case.make()
    _, (request,) = _run(case, auth, Response(200))
    assert request.body is _REQUEST.body
    assert (request.url, request.timeout) == (_REQUEST.url, _REQUEST.timeout)
    there = len(_REQUEST.headers)
    assert request.headers[:there] == _REQUEST.headers
    assert {name for name, _ in request.headers[there:]} <= set(auth.header_names)


def lets_failures_pass(case: AuthCase) -> None:
    """A failure of the transport is for the flow around it."""
    failure = TransportFailure(FailureKind.TIMEOUT, "too slow")
    try:
        _run(case, case.make(), failure)
    except TransportFailure as caught:
        assert caught is failure
    else:
        raise AssertionError("the failure was swallowed")


def can_be_abandoned(case: AuthCase) -> None:
    """A flow that is closed halfway ends, and leaves the scheme usable."""
    auth = case.make()
    flow = auth.flow(_REQUEST, _NOW)
    next(flow)
    flow.close()
    _, sent = _run(case, auth, Response(200))
    assert len(sent) == 1


def serves_many(case: AuthCase) -> None:
    """What it asked for before the first request serves for the next."""
    auth = case.make()
    _run(case, auth, Response(200))
    transport = MemoryTransport([Response(200)])
    Driver(transport).run(auth.flow(_REQUEST, _NOW))
    assert len(transport.requests) == 1


def shares_nothing(case: AuthCase) -> None:
    """Two of a kind know nothing of each other."""
    one, two = case.make(), case.make()
    _run(case, one, Response(200))
    _, sent = _run(case, two, Response(200))
    assert len(sent) == 1


def writes_no_control_character(case: AuthCase) -> None:
    """In no header, of no request; a secret that holds one is refused when the scheme is made, or encoded."""
    made = [case.make()]
    for control in _CONTROL if case.make_with is not None else ():
        with contextlib.suppress(ValueError):  # which a WebhookConfigError is
            assert case.make_with is not None
            made.append(case.make_with(f"fake{control}X-Forged: 1"))
    for auth in made:
        transport = MemoryTransport([*case.before, Response(200)])
        Driver(transport).run(auth.flow(_REQUEST, _NOW))
        for request in transport.requests:
            for pair in request.headers:
                assert not any(c < " " or c == "\x7f" for part in pair for c in part)


def names_its_secrets(case: AuthCase) -> None:
    """Each secret given is among those that are cut out of messages, and none is on the wire unnamed."""
    auth = case.make()
    transport = MemoryTransport([*case.before, Response(200)])
    Driver(transport).run(auth.flow(_REQUEST, _NOW))
    known = auth.secrets()
    assert set(case.secrets) <= set(known)
    for request in transport.requests:
        own = request.body is not _REQUEST.body
        written = [value for _, value in request.headers]
        for text in (*written, *([request.body.decode("latin-1")] if own else ())):
            left = redact(text, known)
            assert not any(secret in left for secret in case.secrets)
            assert not any(
                secret.encode() in _decoded(word)
                for word in left.replace("=", " ").split()
                for secret in case.secrets
            )


def shows_no_secret(case: AuthCase) -> None:
    """Not in its repr, nor in a pickle: it has none, or refuses to be pickled."""
    auth = case.make()
    _run(case, auth, Response(200))
    shown = [repr(auth), str(auth), f"{auth}"]
    with contextlib.suppress(Exception):  # it may refuse, in whichever way
        shown.append(pickle.dumps(auth, 0).decode("latin-1"))
    assert not [text for text in shown for secret in case.secrets if secret in text]


AUTH_LAWS: tuple[Callable[[AuthCase], None], ...] = (
    fits_the_port,
    sends_once_and_returns_the_answer,
    sends_the_same_bytes,
    lets_failures_pass,
    can_be_abandoned,
    serves_many,
    shares_nothing,
    writes_no_control_character,
    names_its_secrets,
    shows_no_secret,
)


def _run(case: AuthCase, auth: Auth, answer: Any) -> tuple[Response, list[Request]]:
    """What the flow returns, and the requests after those that `before` answers."""
    transport = MemoryTransport([*case.before, answer])
    result = Driver(transport).run(auth.flow(_REQUEST, _NOW))
    return result, transport.requests[len(case.before) :]


def _decoded(word: str) -> bytes:
    try:
        return base64.b64decode(word + "===")
    except ValueError:
        return b""
