"""A token endpoint of canned answers, and events sent one after another over one scheme."""

from __future__ import annotations

import json
from typing import Any

from support.heart import Canned, OwnClock, batch_of, delivered, destination, guide_event, header
from vaulytica.auth.oauth2 import OAuth2Auth
from vaulytica.delivery.outcome import Result
from vaulytica.delivery.policy import RetryPolicy
from vaulytica.delivery.request import Response

TOKEN_URL = "https://auth.example.com/oauth/token"
SECRET = "fake-canary-client-secret"
OK = Response(200)
NO = Response(401, (), b"token expired")


def scheme() -> OAuth2Auth:
    return OAuth2Auth(TOKEN_URL, "client", SECRET)


def token(value: str = "fake-token-1", **fields: Any) -> Response:
    answer = {"access_token": value, "token_type": "Bearer", "expires_in": 3600} | fields
    wanted = {name: field for name, field in answer.items() if field is not ...}
    return Response(200, (), json.dumps(wanted).encode())


class Talk:
    """Events sent one after another over one scheme; `log` tells the requests in short."""

    def __init__(self, *answers: Any, clock: OwnClock | None = None, **retry: Any) -> None:
        self.canned = Canned(*answers, clock=clock)
        policy = RetryPolicy(**({"max_retries": 0, "jitter": False} | retry))
        self.to = destination(auth=scheme(), retry=policy)

    def event(self) -> Result:
        batch = batch_of(self.to.format, guide_event())
        (result,) = delivered(self.canned, self.to, batch)
        return result

    @property
    def log(self) -> list[str]:
        assert self.canned.all_used
        return [
            "fetch" if r.url == TOKEN_URL else str(header(r, "Authorization"))
            for r in self.canned.requests
        ]
