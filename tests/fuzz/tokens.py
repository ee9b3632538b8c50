"""Target: what an OAuth2 token endpoint answers."""

from __future__ import annotations

from fuzz.taking import Taking
from support.heart import Canned
from vaulytica.auth.oauth2 import OAuth2Auth
from vaulytica.delivery.request import Request, Response, checked_header
from vaulytica.errors import AuthFailure, one_line

SECRET = "obviously-fake-client-secret"
EVENT = Request("https://siem.example.com/hook", (), b"{}")


def target(data: bytes) -> None:
    """A token that can stand in a header and is used for a while, or `AuthFailure` and nothing is sent."""
    taking = Taking(data)
    status = taking.one_of((200, 200, 200, 201, 400, 401, 429, 500, 302))
    answer = Response(status, {"Retry-After": taking.text()}, taking.rest())
    auth = OAuth2Auth("https://auth.example.com/token", "client", SECRET)
    canned = Canned(answer, Response(200))
    try:
        canned.run(auth.flow(EVENT, 1000.0))
    except AuthFailure as failure:
        assert [request.url for request in canned.requests] == ["https://auth.example.com/token"]
        assert str(failure) == one_line(str(failure))
        assert SECRET not in str(failure)
        assert failure.retry_after is None or failure.retry_after >= 0
        return
    name, value = canned.requests[-1].headers[-1]
    assert (name, status) == ("Authorization", 200)
    assert checked_header(name, value) == (name, value.strip(" \t"))
    assert value.startswith("Bearer ") and value.removeprefix("Bearer ").strip()
    assert value.removeprefix("Bearer ") in auth.secrets()
