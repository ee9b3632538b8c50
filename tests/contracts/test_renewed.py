"""A scheme that is made anew when a secret changes is, in all else, the scheme it is made of."""

from __future__ import annotations

import itertools
import logging
import random
import threading
from typing import Any

import pytest

from contracts.test_auth import CASES, REQUEST, made, sent
from support.heart import Canned, header
from vaulytica.auth import SCHEMES
from vaulytica.auth.renewed import RenewedAuth
from vaulytica.delivery.request import Response
from vaulytica.errors import WebhookConfigError


def renewed(name: str, **changed: Any) -> RenewedAuth:
    return RenewedAuth(lambda: (made(name, **changed), ()), lambda: 0)


@pytest.mark.parametrize("name", SCHEMES.entries)
def test_it_says_and_sends_what_its_scheme_does(name: str) -> None:
    plain, wrapped = made(name), renewed(name)
    assert (wrapped.name, wrapped.header_names) == (plain.name, plain.header_names)
    assert list(wrapped.secrets()) == list(plain.secrets())
    assert repr(wrapped).partition(" at 0x")[0] == repr(plain).partition(" at 0x")[0]
    for attribute in ("travels", "urls"):
        assert getattr(wrapped, attribute, "none") == getattr(plain, attribute, "none")
    (one,), (other,) = (sent(auth, name, Response(200)) for auth in (plain, wrapped))
    names = [n for n, _ in one.headers]
    assert [n for n, _ in other.headers] == names
    assert (other.url, other.body, other.timeout) == (one.url, one.body, one.timeout)


@pytest.mark.parametrize("name", [n for n, case in CASES.items() if case.needed])
def test_what_its_scheme_refuses_at_first_it_refuses(name: str) -> None:
    (place, *_) = CASES[name].needed
    with pytest.raises(WebhookConfigError):
        renewed(name, **{f"_{place}": ""})


def test_it_is_made_anew_when_the_revision_changes_and_only_then() -> None:
    revision = [0]
    makes: list[int] = []

    def make() -> tuple[Any, Any]:
        makes.append(revision[0])
        return made("bearer_token", _0=f"fake-{revision[0]}"), ()

    auth = RenewedAuth(make, lambda: revision[0])
    for at in (0, 0, 1, 1, 5):
        revision[0] = at
        (request,) = sent(auth, "none", Response(200))
        assert header(request, "Authorization") == f"Bearer fake-{at}"
    assert makes == [0, 1, 5]
    assert {"fake-0", "fake-1", "fake-5"} <= set(auth.secrets())


def test_it_does_not_remember_old_secrets_without_end() -> None:
    count = itertools.count()
    auth = RenewedAuth(
        lambda: (made("bearer_token", _0=f"fake-{next(count)}"), ()), lambda: random.random()
    )
    for _ in range(100):
        sent(auth, "none", Response(200))
    assert len(auth.secrets()) < 10


def test_headers_that_are_secrets_come_before_the_schemes_own() -> None:
    auth = RenewedAuth(lambda: (made("bearer_token"), (("X-Mine", "Token fake-mine"),)), lambda: 0)
    (request,) = sent(auth, "none", Response(200))
    own = [n for n, _ in request.headers if n != "Webhook-Id"]
    assert own == ["X-Team", "X-Mine", "Authorization"]
    assert auth.header_names == ("Authorization", "X-Mine")
    assert {"Token fake-mine", "fake-mine"} <= set(auth.secrets())


def test_what_it_cannot_be_made_of_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    revision = [0]

    def make() -> tuple[Any, Any]:
        if revision[0] == 1:
            raise WebhookConfigError("api_key is not fit")
        return made("bearer_token", _0=f"fake-{revision[0]}"), ()

    auth = RenewedAuth(make, lambda: revision[0])
    caplog.set_level(logging.WARNING)
    for at, there in ((1, 0), (1, 0), (2, 2)):
        revision[0] = at
        (request,) = sent(auth, "none", Response(200))
        assert header(request, "Authorization") == f"Bearer fake-{there}"
    assert [r.getMessage() for r in caplog.records] == [
        "api_key is not fit; the credentials that were there stay in use"
    ]


def test_many_threads_make_it_anew_once() -> None:
    revision, makes = [0], [0]

    def make() -> tuple[Any, Any]:
        makes[0] += 1
        return made("bearer_token"), ()

    auth = RenewedAuth(make, lambda: revision[0])
    revision[0] = 1
    ready = threading.Barrier(8)

    def work() -> None:
        ready.wait(60)
        Canned(Response(200)).run(auth.flow(REQUEST, 0.0))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert makes[0] == 2
