"""The other end of `demo`: one receiver with a path for each destination, and a token endpoint.

It checks the credentials of every scheme, as a gateway does, and hands what is let in to the stand-in
for the destination. What that has taken is compared with what was sent.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from vaulytica.cli.demo.kinds import KINDS, Kind
from vaulytica.errors import SignatureError
from vaulytica.receiving.destinations.strict import StrictDestination, json_answer
from vaulytica.receiving.receiver import Answer, Received, Receiver
from vaulytica.receiving.verification import verify

if TYPE_CHECKING:
    from vaulytica.events import Event

_TOKEN_PATH = "/token"  # noqa: S105 - a path, not a secret
_SIGNED = {"hmac_sha256": "key", "standard_webhooks": "whsec"}  # schemes, and their secret here
_ROUTE_PATH = re.compile(r"(?P<route>/[^/?]+/[^/?]+)(?P<own>.*)")


@dataclass
class Route:
    """One destination: its path here, its stand-in, and its requests, with how many were let in."""

    format: str  # a name of `KINDS`
    scheme: str
    destination: StrictDestination
    requests: int = 0
    verified: int = 0

    @property
    def kind(self) -> Kind:
        """How it is configured, spoken to and read."""
        return KINDS[self.format]

    @property
    def path(self) -> str:
        """Where it is on the receiver; its own path comes after that."""
        return f"/{self.format.replace(' ', '-')}/{self.scheme}"

    def compare(self, events: Iterable[Event], problems: list[str]) -> int:
        """How many of the events are here, and equal in all that the format carries."""
        left = Counter(self._key(taken) for taken in self.destination.events)
        ids = {}
        intact = 0
        for event in events:
            key = self.kind.reader.expected(event).key
            ids[key] = event.id
            if left[key]:
                left[key] -= 1
                intact += 1
            else:
                problems.append(f"event {event.id} has not arrived as it was sent")
        for key in left.elements():
            known = ids.get(key)
            problems.append(
                f"event {known} arrived once too often"
                if known
                else "what arrived is no event that was sent"
            )
        return intact

    def _key(self, taken: Any) -> str:
        try:
            return self.kind.reader.read(taken).key
        except (ValueError, LookupError, TypeError, AttributeError):
            return ""


class DemoReceiver(Receiver):
    """Answers like the real destinations, and 401 without the right credentials."""

    def __init__(self) -> None:
        self.routes: dict[str, Route] = {}
        self._counting = threading.Lock()  # of requests, which come in many threads
        self._secret = {name: secrets.token_urlsafe(24) for name in ("key", "client", "token")}
        self._secret["whsec"] = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
        super().__init__(respond=self._respond, keep=0)

    def route(self, format: str, scheme: str, *, busy: bool = False) -> Route:
        """Open a destination of its own, which is busy at first in its kind's way if so wanted."""
        kind = KINDS[format]
        faults = (kind.busy or {}) if busy else {}
        route = Route(format, scheme, kind.stand_in(token=self._secret["key"], **faults))
        self.routes[route.path] = route
        return route

    def settings(self, route: Route) -> dict[str, Any]:
        """What a sender's config has to say to get there and to be let in."""
        key, (header, before) = self._secret["key"], route.kind.key
        credentials: dict[str, dict[str, Any]] = {
            "api_key": {"api_key": before + key, "api_key_header": header},
            "bearer_token": {"bearer_token": key},
            "basic_auth": {"username": "demo", "password": key},
            **{scheme: {"hmac_secret": self._secret[kind]} for scheme, kind in _SIGNED.items()},
            "oauth2": {
                "oauth2_token_url": f"{self.url}{_TOKEN_PATH}",
                "oauth2_client_id": "demo",
                "oauth2_client_secret": self._secret["client"],
            },
        }
        auth = {"auth_type": route.scheme, **credentials.get(route.scheme, {})}
        url = f"{self.url}{route.path}{route.kind.path}"
        own = dict(route.kind.settings)
        if (route.format, route.scheme) == ("splunk_hec", "hmac_sha256"):
            del own["batch"]  # with this signature a request is one document
        return {**own, "url": url, "auth": auth}

    def _respond(self, received: Received) -> Answer:
        if received.path == _TOKEN_PATH:
            return self._token(received)
        path = _ROUTE_PATH.fullmatch(received.path)
        route = self.routes.get(path["route"]) if path else None
        if path is None or route is None:
            return json_answer(404, {"error": "no such destination"})
        is_right = self._is_right(route, received)
        with self._counting:
            route.requests += 1
            route.verified += is_right
        if not is_right:
            return json_answer(401, {"error": "wrong credentials"})
        return route.destination.answer(self._passed_on(route, received, path["own"]))

    def _passed_on(self, route: Route, received: Received, path: str) -> Received:
        """The request as the destination gets it: with its own key, whatever the scheme before it."""
        header, before = route.kind.key
        others = (pair for pair in received.headers if pair[0].lower() != header.lower())
        return replace(
            received, path=path, headers=(*others, (header, before + self._secret["key"]))
        )

    def _is_right(self, route: Route, received: Received) -> bool:
        key, given = self._secret["key"], received.header("Authorization")
        if route.scheme in _SIGNED:
            return self._is_signed(route.scheme, received)
        if route.scheme == "api_key":
            header, before = route.kind.key
            return _same(received.header(header), before + key)
        if route.scheme == "bearer_token":
            return _same(given, f"Bearer {key}")
        if route.scheme == "basic_auth":
            return _same(given, "Basic " + base64.b64encode(f"demo:{key}".encode()).decode())
        if route.scheme == "oauth2":
            return _same(given, f"Bearer {self._secret['token']}")
        return given is None

    def _is_signed(self, scheme: str, received: Received) -> bool:
        try:
            verify(received.headers, received.body, self._secret[_SIGNED[scheme]], scheme=scheme)
        except SignatureError:
            return False
        return True

    def _token(self, received: Received) -> Answer:
        """RFC 6749, 4.4: client credentials, as a form."""
        form = parse_qs(received.body.decode("ascii", "replace"))
        right = form.get("grant_type") == ["client_credentials"]
        right &= form.get("client_id") == ["demo"]
        if not right or not _same(form.get("client_secret", [""])[0], self._secret["client"]):
            return json_answer(401, {"error": "invalid_client"})
        token = {"access_token": self._secret["token"], "token_type": "Bearer", "expires_in": 3600}
        return json_answer(200, token)


def _same(given: str | None, right: str) -> bool:
    return hmac.compare_digest((given or "").encode("utf-8", "replace"), right.encode())
