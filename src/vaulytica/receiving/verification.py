"""Verify what senders sign, over the raw body: never over JSON that was read and written again."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from vaulytica.errors import SignatureError, SignatureProblem, WebhookConfigError
from vaulytica.receiving.headers import GivenHeaders, Headers
from vaulytica.receiving.settings import seconds
from vaulytica.receiving.signatures import TIMED, UNTIMED, Key, Scheme, hmac_sha256

TOLERANCE = 300.0  # seconds, as Standard Webhooks, Stripe and Slack have it
_LONGEST_TOLERANCE = 7 * 86400.0
SCHEMES = (*TIMED, *UNTIMED)
# Where only one of another scheme is there, that helps to see why a request is not verified.
_OF_ANY = {it.headers[0].lower(): it.headers[0] for it in (TIMED | UNTIMED).values()}


@dataclass(frozen=True, slots=True)
class Verified:
    """A request whose signature is right. `body` is what was signed; `secret` the place of the one that fits.

    `id` and `timestamp` (seconds since 1970) are None where the scheme signs none. `tolerance`: how many
    seconds the time might have been off.
    """

    scheme: str
    id: str | None
    timestamp: int | None
    secret: int
    body: bytes = field(repr=False)
    signature: str = field(repr=False)
    tolerance: float = TOLERANCE


class Verifier:
    """`verify` with all but the request told beforehand: keys are read once, and wrong ones raise here.

    `scheme` is a name, or several in the order in which they are looked for; without one, those that
    sign a time (standard_webhooks, stripe, slack), as far as the secrets fit them.
    """

    def __init__(
        self,
        secrets: str | Sequence[str],
        *,
        scheme: str | Sequence[str] | None = None,
        tolerance: float = TOLERANCE,
        hmac_header: str = "X-Signature",
    ) -> None:
        self.tolerance = seconds("tolerance", tolerance)
        if tolerance > _LONGEST_TOLERANCE:
            raise WebhookConfigError("tolerance must be a week of seconds at most")
        if isinstance(scheme, bytes) or not isinstance(scheme, (Iterable, type(None))):
            raise WebhookConfigError("scheme must be the name of one, or a list of names")
        names = (scheme,) if isinstance(scheme, str) else tuple(scheme or ())
        self._schemes = _with_keys(_known(names, hmac_header), _given(secrets), names)
        self._names = {name for it, _ in self._schemes.values() for name in it.headers}

    @property
    def schemes(self) -> tuple[str, ...]:
        """The names of the schemes that are looked for, in that order."""
        return tuple(self._schemes)

    def verify(self, headers: GivenHeaders, body: bytes, *, now: float | None = None) -> Verified:
        """See `verify`."""
        if not isinstance(body, (bytes, bytearray, memoryview)):
            raise TypeError(
                "the body must be bytes, raw as received: text or JSON read from it is not what was signed"
            )
        body = bytes(body)
        found = Headers(headers, self._names, _OF_ANY)
        name, scheme, keys = self._told(found)
        claim = scheme.claim(found)
        if claim.timestamp is not None:
            self._in_time(claim.timestamp, time.time() if now is None else now)
        matches = [(key.position, key.matches(claim, body)) for key in keys]  # all, always
        for position, signature in matches:
            if signature is not None:
                return Verified(
                    name, claim.id, claim.timestamp, position, body, signature, self.tolerance
                )
        raise SignatureError(
            SignatureProblem.NO_MATCH, f"no signature of {name} matches this body and any secret"
        )

    def _told(self, headers: Headers) -> tuple[str, Scheme, list[Key]]:
        """The first scheme of which there is a signature: that one decides."""
        for name, (scheme, keys) in self._schemes.items():
            if scheme.headers[0] in headers:
                return name, scheme, keys
        wanted = " or ".join(scheme.headers[0] for scheme, _ in self._schemes.values())
        other = f", but {' and '.join(headers.others)}" if headers.others else ""
        raise SignatureError(SignatureProblem.MISSING, f"not signed: no header {wanted}{other}")

    def _in_time(self, timestamp: int, now: float) -> None:
        if abs(now - timestamp) > self.tolerance:
            when = "past" if timestamp < now else "future"
            raise SignatureError(
                SignatureProblem.OUTSIDE_TOLERANCE,
                f"signed more than {self.tolerance:g} s in the {when}: {timestamp}",
            )

    def __repr__(self) -> str:
        return f"Verifier({', '.join(self._schemes)})"


def verify(
    headers: GivenHeaders,
    body: bytes,
    secrets: str | Sequence[str],
    tolerance: float = TOLERANCE,
    *,
    scheme: str | Sequence[str] | None = None,
    hmac_header: str = "X-Signature",
    now: float | None = None,
) -> Verified:
    """What is verified of a request, or `SignatureError`, whose `problem` says of which kind.

    `body`: the raw bytes. `secrets`: one, or all that may be in use. `tolerance`: seconds that the
    signature's time may be off. `scheme`, `hmac_header`: see `Verifier`; `hmac_sha256` and `github`,
    which sign no time, must be named.
    """
    verifier = Verifier(secrets, scheme=scheme, tolerance=tolerance, hmac_header=hmac_header)
    return verifier.verify(headers, body, now=now)


def _given(secrets: Any) -> list[str]:
    if secrets is None:
        raise WebhookConfigError("secrets: none is given; is the variable set that it comes from?")
    if not isinstance(secrets, Iterable):
        kind = type(secrets).__name__
        raise WebhookConfigError(f"secrets must be a text (str) or a list of texts, not {kind}")
    given: list[Any] = [secrets] if isinstance(secrets, (str, bytes)) else list(secrets)
    if not given or any(secret is None or not secret for secret in given):
        raise WebhookConfigError("secrets: one is missing or empty")
    for secret in given:
        if not isinstance(secret, str):
            kind = type(secret).__name__
            raise WebhookConfigError(f"secrets: each is text (str), and one of them is {kind}")
        if not secret.strip():
            raise WebhookConfigError("secrets: one is missing or empty")
    if any("\ud800" <= character <= "\udfff" for secret in given for character in secret):
        raise WebhookConfigError("secrets: one is not valid Unicode")
    return given


def _known(names: Sequence[str], hmac_header: str) -> dict[str, Scheme]:
    if not names:
        return TIMED
    known = TIMED | UNTIMED | {"hmac_sha256": hmac_sha256(hmac_header)}
    for name in names:
        if name not in known:
            raise WebhookConfigError(f"unknown scheme {name!r}; known are {', '.join(SCHEMES)}")
    return {name: known[name] for name in names}


def _with_keys(
    schemes: dict[str, Scheme], secrets: Sequence[str], named: Sequence[str]
) -> dict[str, tuple[Scheme, list[Key]]]:
    """The schemes that have a key. A secret that is none of any, or a scheme named that has none, raises."""
    found: dict[str, tuple[Scheme, list[Key]]] = {}
    wrong: dict[tuple[str, int], WebhookConfigError] = {}
    for name, scheme in schemes.items():
        keys = []
        for position, secret in enumerate(secrets):
            try:
                keys.append(scheme.key(position, secret))
            except WebhookConfigError as error:
                wrong[name, position] = error
        if keys:
            found[name] = (scheme, keys)
        elif name in named:
            raise wrong[name, 0]
    for position in range(len(secrets)):
        errors = [wrong[name, position] for name in schemes if (name, position) in wrong]
        if len(errors) == len(schemes):
            raise errors[0]
    return found
