"""The other end of `demo`: one receiver with a path for each destination, and a token endpoint.

It checks the credentials of every scheme, keeps what it accepts, and compares it with what was sent.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from vaulytica.cli.decode import Decoded, decode, milliseconds
from vaulytica.receiving.receiver import Answer, Received, Receiver
from vaulytica.receiving.verify import verify_hmac_sha256

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vaulytica.events import Event

_TOKEN_PATH = "/token"  # noqa: S105 - a path, not a secret
_REFUSED = Answer(401, b'{"error":"wrong credentials"}')
_BUSY = Answer(503, b'{"error":"busy, as the demo has it"}')


@dataclass
class Route:
    """One destination, and all it has accepted: bodies by the id in their header."""

    format: str
    scheme: str
    path: str
    failures: int  # requests still to fail
    verified: int = 0
    bodies: dict[str, list[bytes]] = field(default_factory=dict)

    def take(self, received: Received, *, is_right: bool) -> Answer:
        """Answer one request, and keep what is accepted. For one thread at a time."""
        if self.failures > 0:
            self.failures -= 1
            return _BUSY
        if not is_right:
            return _REFUSED
        self.verified += 1
        id = received.header("Webhook-Id") or "without an id"
        self.bodies.setdefault(id, []).append(received.body)
        return Answer()

    def compare(self, events: Iterable[Event], problems: list[str]) -> int:
        """How many of the events are here, and equal in all that the format carries."""
        left = dict(self.bodies)
        intact = 0
        for event in events:
            bodies = left.pop(event.id, [])
            expected = _expected(event, self.format)
            if bodies and all(self._decoded(body) == expected for body in bodies):
                intact += 1
            else:
                problems.append(f"event {event.id} {'differs' if bodies else 'has not arrived'}")
        problems += [f"an event {id} arrived that nobody sent" for id in left]
        return intact

    def _decoded(self, body: bytes) -> Decoded | None:
        try:
            return decode(self.format, body)
        except (ValueError, LookupError, TypeError, AttributeError):
            return None


def _expected(event: Event, format: str) -> Decoded:
    at = milliseconds(event.timestamp.isoformat())
    if format == "datadog":  # which knows whole seconds only
        at -= at % 1000
    return Decoded(event.type, str(event.severity), at, event.data)


class DemoReceiver(Receiver):
    """Answers like real destinations would: 401 without the right credentials, and 503 when told to."""

    def __init__(self) -> None:
        self.routes: dict[str, Route] = {}
        self._counting = threading.Lock()  # of the routes: requests come in many threads
        self._secret = {name: secrets.token_urlsafe(24) for name in ("key", "client", "token")}
        super().__init__(respond=self._respond, keep=0)

    def route(self, format: str, scheme: str, failures: int = 0) -> Route:
        """Open a destination of its own, whose first `failures` requests fail."""
        path = f"/{format.replace(' ', '-')}/{scheme}"
        route = Route(format, scheme, path, failures)
        self.routes[route.path] = route
        return route

    def credentials(self, scheme: str) -> dict[str, Any]:
        """The settings with which a sender gets in."""
        key = self._secret["key"]
        settings: dict[str, dict[str, Any]] = {
            "api_key": {"api_key": key},
            "bearer_token": {"bearer_token": key},
            "basic_auth": {"username": "demo", "password": key},
            "hmac_sha256": {"hmac_secret": key},
            "oauth2": {
                "oauth2_token_url": f"{self.url}{_TOKEN_PATH}",
                "oauth2_client_id": "demo",
                "oauth2_client_secret": self._secret["client"],
            },
        }
        return settings.get(scheme, {})

    def _respond(self, received: Received) -> Answer:
        if received.path == _TOKEN_PATH:
            return self._token(received)
        route = self.routes.get(received.path)
        if route is None or received.method != "POST":
            return Answer(404)
        is_right = self._is_right(route.scheme, received)
        with self._counting:
            return route.take(received, is_right=is_right)

    def _is_right(self, scheme: str, received: Received) -> bool:
        key, given = self._secret["key"], received.header("Authorization")
        if scheme == "hmac_sha256":
            return verify_hmac_sha256(received.body, received.header("X-Signature") or "", key)
        if scheme == "api_key":
            return _same(received.header("X-API-Key"), key)
        if scheme == "bearer_token":
            return _same(given, f"Bearer {key}")
        if scheme == "basic_auth":
            return _same(given, "Basic " + base64.b64encode(f"demo:{key}".encode()).decode())
        if scheme == "oauth2":
            return _same(given, f"Bearer {self._secret['token']}")
        return given is None

    def _token(self, received: Received) -> Answer:
        """RFC 6749, 4.4: client credentials, as a form."""
        form = parse_qs(received.body.decode("ascii", "replace"))
        right = form.get("grant_type") == ["client_credentials"]
        right &= form.get("client_id") == ["demo"]
        if not right or not _same(form.get("client_secret", [""])[0], self._secret["client"]):
            return Answer(401, b'{"error":"invalid_client"}')
        token = {"access_token": self._secret["token"], "token_type": "Bearer", "expires_in": 3600}
        return Answer(200, json.dumps(token).encode())


def _same(given: str | None, right: str) -> bool:
    return hmac.compare_digest((given or "").encode("utf-8", "replace"), right.encode())
