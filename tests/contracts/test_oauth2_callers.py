"""OAuth2: what may show of a token, and many callers that need one at once."""

from __future__ import annotations

import threading

import pytest

from support.heart import (
    Canned,
    header,
    reason_of,
)
from support.oauth2 import NO, OK, SECRET, TOKEN_URL, Talk, scheme, token
from vaulytica.delivery.ports import Alone, Send
from vaulytica.delivery.request import Request, Response
from vaulytica.driver.sync import Driver

# --- What may show.


def test_the_token_and_the_secret_never_show() -> None:
    echo = f"bad token fake-canary-token of {SECRET} / {SECRET.upper()}"
    talk = Talk(token("fake-canary-token"), Response(400, (), echo.encode()))
    text = reason_of(talk.event()).text
    assert text == f"HTTP 400: bad token *** of *** / {SECRET.upper()}"
    assert "canary" not in repr(talk.to)
    assert "canary" not in repr(talk.to.auth)


def test_a_token_that_was_just_dropped_does_not_show_either() -> None:
    echo = Response(401, (), b"fake-canary-1 is revoked")
    talk = Talk(token("fake-canary-1"), echo, token("fake-canary-2"), echo)
    assert "canary" not in reason_of(talk.event()).text


# --- Many callers.


def test_callers_that_wait_for_the_same_fetch_share_its_token() -> None:
    auth = scheme()
    request = Request("https://siem.example.com/", (), b"{}")
    first, second = auth.flow(request, 0.0), auth.flow(request, 0.0)
    asked = [next(first), next(second)]
    assert all(isinstance(effect, Alone) for effect in asked)
    fetches = Canned(token())
    tokens = [fetches.run(effect.flow) for effect in asked]  # type: ignore[union-attr]
    assert fetches.all_used
    assert tokens[0] is tokens[1]
    sends = [first.send(tokens[0]), second.send(tokens[1])]
    assert [header(s.request, "Authorization") for s in sends if isinstance(s, Send)] == [
        "Bearer fake-token-1"
    ] * 2


def test_callers_that_wait_for_the_same_fetch_share_its_failure() -> None:
    auth = scheme()
    request = Request("https://siem.example.com/", (), b"{}")
    flows = [auth.flow(request, 0.0) for _ in range(3)]
    asked = [next(flow) for flow in flows]
    fetches = Canned(Response(503))
    for effect in asked:
        with pytest.raises(Exception, match="HTTP 503"):
            fetches.run(effect.flow)  # type: ignore[union-attr]
    assert fetches.all_used


def test_a_401_for_an_old_token_does_not_drop_the_new_one() -> None:
    auth = scheme()
    request = Request("https://siem.example.com/", (), b"{}")
    old, new = auth.flow(request, 0.0), auth.flow(request, 0.0)
    old.send(Canned(token("fake-1")).run(next(old).flow))  # type: ignore[union-attr]
    next(new)  # sends with the same token, and is refused first
    dropped = new.send(NO)
    assert isinstance(dropped, Alone)
    new.send(Canned(token("fake-2")).run(dropped.flow))
    again = old.send(NO)  # refused later, for the old token
    assert isinstance(again, Send)
    assert header(again.request, "Authorization") == "Bearer fake-2"


def test_sixteen_threads_make_one_token_request() -> None:
    class Transport:
        def __init__(self) -> None:
            self.urls: list[str] = []
            self.together = threading.Barrier(16)

        def send(self, request: Request) -> Response:
            self.urls.append(request.url)
            return token() if request.url == TOKEN_URL else OK

        def close(self) -> None: ...

    transport = Transport()
    driver, auth = Driver(transport), scheme()
    request = Request("https://siem.example.com/", (), b"{}")
    answers: list[Response] = []

    def work() -> None:
        transport.together.wait()
        answers.append(driver.run(auth.flow(request, 0.0)))

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 16
    assert transport.urls.count(TOKEN_URL) == 1
