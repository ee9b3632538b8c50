"""Digest authentication (RFC 7616): the password does not travel, and the body does so only once.

The first request asks for a challenge, and has no body: no event is sent unauthenticated. The
challenge then serves for the requests that follow, until the destination gives another.
"""

from __future__ import annotations

from collections.abc import Sequence

from vaulytica.auth.digest_challenge import Challenge, asks_for_digest, challenge_of
from vaulytica.auth.fixed import needed
from vaulytica.auth.shared import Shared
from vaulytica.delivery.outcome import Deferred, outcome_of_status
from vaulytica.delivery.ports import Flow, send
from vaulytica.delivery.redaction import HoldsSecrets
from vaulytica.delivery.request import Request, Response, checked_header
from vaulytica.errors import AuthFailure, WebhookConfigError


class DigestAuth(HoldsSecrets):
    """`Authorization: Digest …`, by MD5, SHA-256 or SHA-512/256, as the destination wants it."""

    name = "digest"
    header_names: tuple[str, ...] = ("Authorization",)

    def __init__(self, username: str | None, password: str | None) -> None:
        self._username, self._password = needed("username", username), needed("password", password)
        if ":" in self._username:
            raise WebhookConfigError("username holds a colon, which Digest cannot carry")
        checked_header("username", self._username, "auth field")
        checked_header("password", self._password, "auth field")
        self._challenge: Shared[Challenge] = Shared()

    def flow(self, request: Request, now: float) -> Flow[Response]:
        """Send with an answer to the challenge; where that is no longer good, once more to a new one."""
        challenge = self._challenge.value
        known = challenge is not None
        if challenge is None:
            challenge = yield from self._challenge.fetch(lambda: self._asked(request, now))
        response = yield from send(self._signed(request, challenge))
        if response.status != 401:
            return response
        self._challenge.drop(challenge)
        renewed = challenge_of(response)
        if renewed is None or not (known or renewed.stale):  # the credentials are wrong
            return response
        response = yield from send(self._signed(request, renewed))
        if response.status != 401:
            self._challenge.value = renewed
        return response

    def secrets(self) -> Sequence[str]:
        """The password; what travels is made with it, and tells nothing of it."""
        return (self._password,)

    def _asked(self, request: Request, now: float) -> Flow[Challenge]:
        """The challenge, asked for by the same request without its body."""
        asking = Request(
            request.url, request.headers, b"", request.timeout, request.method, request.answer_bytes
        )
        response = yield from send(asking)
        challenge = challenge_of(response) if response.status == 401 else None
        if challenge is not None:
            return challenge
        if response.status == 401 and asks_for_digest(response):
            raise AuthFailure(
                "no credentials sent: the destination asks for Digest in a way that is not known "
                "here; known are MD5, SHA-256 and SHA-512-256, with qop auth, auth-int or none"
            )
        later = isinstance(outcome_of_status(response), Deferred)
        raise AuthFailure(
            "no credentials sent: the destination did not ask for Digest authentication, "
            f"but answered HTTP {response.status}",
            retryable=later,
            retry_after=response.retry_after(now) if later else None,
        )

    def _signed(self, request: Request, challenge: Challenge) -> Request:
        value = challenge.answer(request, self._username, self._password)
        try:
            return request.with_headers(checked_header("Authorization", value, "auth header"))
        except WebhookConfigError:
            raise AuthFailure("the Digest challenge cannot be answered in a header") from None

    def __repr__(self) -> str:
        return "DigestAuth(***)"
