"""The schemes, one entry each: which headers they use, what is signed before the body, which keys they take."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass

from vaulytica.errors import SignatureError, SignatureProblem, WebhookConfigError
from vaulytica.keys import PRIVATE, PUBLIC, SYMMETRIC, public_key, symmetric_key, text_key
from vaulytica.receiving.headers import Headers

MOST_SIGNATURES = 16  # in one header
_ID = re.compile(r"[\x21-\x2d\x2f-\x7e]{1,256}")  # visible ASCII, and no dot
_SECONDS = re.compile(r"[0-9]{1,12}")
_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Claim:
    """What the headers say: signed is `before` and then the body. `signatures`: versions, and texts."""

    before: bytes
    signatures: tuple[tuple[str, str], ...]
    id: str | None = None
    timestamp: int | None = None


class Key:
    """A secret that verifies signatures of one `version`. `position`: where it is in the list given."""

    version: str
    position: int

    def matches(self, claim: Claim, body: bytes) -> str | None:
        """The signature that is right; all of them are looked at, whichever it is."""
        raise NotImplementedError


class _HashKey(Key):
    """HMAC-SHA256, written down by `text`."""

    def __init__(
        self, version: str, position: int, key: bytes, text: Callable[[bytes], str]
    ) -> None:
        self.version, self.position = version, position
        self._keyed = hmac.new(key, digestmod=hashlib.sha256)
        self._text = text

    def matches(self, claim: Claim, body: bytes) -> str | None:
        signer = self._keyed.copy()
        signer.update(claim.before)
        signer.update(body)
        right = self._text(signer.digest()).encode("ascii")
        found = None
        for version, given in claim.signatures:
            # As text: of one signature there is one way to write it down, and no other is taken.
            is_right = hmac.compare_digest(given.encode("ascii"), right)
            found = given if is_right and version == self.version else found
        return found


class _PublicKey(Key):
    """ed25519, in base64."""

    version = "v1a"

    def __init__(self, position: int, text: str, what: str) -> None:
        self.position = position
        self._key = public_key(text, what)

    def matches(self, claim: Claim, body: bytes) -> str | None:
        from cryptography.exceptions import InvalidSignature

        found = None
        for version, given in claim.signatures:
            signature = base64.b64decode(given)
            if version == self.version and _base64(signature) == given:
                try:
                    self._key.verify(signature, claim.before + body)
                except InvalidSignature:
                    continue
                found = given
        return found


@dataclass(frozen=True, slots=True)
class Scheme:
    """One way to sign: `headers`, the signature's first; how a claim is read of them, and a key made.

    `key(position, secret)` raises `WebhookConfigError` where the secret is none of this scheme's.
    """

    headers: tuple[str, ...]
    claim: Callable[[Headers], Claim]
    key: Callable[[int, str], Key]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _malformed(what: str) -> SignatureError:
    return SignatureError(SignatureProblem.MALFORMED, what)


def _seconds(text: str, where: str) -> int:
    if not _SECONDS.fullmatch(text):
        raise _malformed(f"{where} is not a number of whole seconds")
    return int(text)


def _text_key(version: str) -> Callable[[int, str], Key]:
    """Keys of a scheme that takes a secret as the text it is."""

    def key(position: int, secret: str) -> Key:
        return _HashKey(version, position, text_key(secret, "secrets"), bytes.hex)

    return key


def _standard_key(position: int, secret: str) -> Key:
    secret = secret.strip()
    if secret.startswith(SYMMETRIC):
        return _HashKey("v1", position, symmetric_key(secret, "secrets"), _base64)
    if secret.startswith(PUBLIC):
        return _PublicKey(position, secret, "secrets")
    if secret.startswith(PRIVATE):
        raise WebhookConfigError(
            f"secrets: a receiver gets the public key ({PUBLIC}…); keep {PRIVATE}… with the sender"
        )
    raise WebhookConfigError(
        f"secrets: a Standard Webhooks key begins with {SYMMETRIC}, or {PUBLIC} for ed25519"
    )


def _standard_claim(headers: Headers) -> Claim:
    id, seconds = headers["Webhook-Id"], headers["Webhook-Timestamp"]
    if not _ID.fullmatch(id):
        raise _malformed("Webhook-Id is not 1 to 256 visible ASCII characters without a dot")
    timestamp = _seconds(seconds, "Webhook-Timestamp")
    given = _several(headers["Webhook-Signature"].split(" "), "Webhook-Signature")
    pairs = [tuple(one.split(",", 1)) for one in given]
    signatures = [
        (pair[0], pair[1])
        for pair in pairs
        if len(pair) == 2 and pair[0] in _STANDARD and _STANDARD[pair[0]].fullmatch(pair[1])
    ]
    if not signatures:  # versions that are yet to come may stand beside those known
        raise _malformed("Webhook-Signature has no signature v1,… or v1a,… in base64")
    return Claim(f"{id}.{seconds}.".encode("ascii"), tuple(signatures), id, timestamp)


_STANDARD = {
    "v1": re.compile(r"[0-9A-Za-z+/]{43}="),  # 32 bytes
    "v1a": re.compile(r"[0-9A-Za-z+/]{86}=="),  # 64 bytes
}


def _stripe_claim(headers: Headers) -> Claim:
    parts = _several(headers["Stripe-Signature"].split(","), "Stripe-Signature")
    fields = [part.strip().partition("=") for part in parts]
    times = [value for name, _, value in fields if name == "t"]
    if len(times) != 1:
        raise _malformed("Stripe-Signature has no t=…, or more than one")
    timestamp = _seconds(times[0], "Stripe-Signature's t")
    signatures = tuple(("v1", v) for name, _, v in fields if name == "v1" and _HEX.fullmatch(v))
    if not signatures:
        raise _malformed("Stripe-Signature has no v1=… of 64 hex digits")
    return Claim(f"{times[0]}.".encode("ascii"), signatures, timestamp=timestamp)


def _slack_claim(headers: Headers) -> Claim:
    seconds = headers["X-Slack-Request-Timestamp"]
    timestamp = _seconds(seconds, "X-Slack-Request-Timestamp")
    signature = _hex(headers["X-Slack-Signature"], "v0=", "X-Slack-Signature")
    before = f"v0:{seconds}:".encode("ascii")
    return Claim(before, (("v0", signature),), timestamp=timestamp)


def _github_claim(headers: Headers) -> Claim:
    signature = _hex(headers["X-Hub-Signature-256"], "sha256=", "X-Hub-Signature-256")
    return Claim(b"", (("sha256", signature),))


def _hex(text: str, prefix: str, where: str) -> str:
    signature = text.removeprefix(prefix)
    if not text.startswith(prefix) or not _HEX.fullmatch(signature):
        raise _malformed(f"{where} is not {prefix}… of 64 hex digits")
    return signature


def _several(parts: list[str], where: str) -> list[str]:
    if len(parts) > MOST_SIGNATURES:
        raise _malformed(f"{where} has more than {MOST_SIGNATURES} parts")
    return parts


def hmac_sha256(header: str) -> Scheme:
    """The guide's: the hex of the body's HMAC-SHA256 in a header, and no more."""

    def claim(headers: Headers) -> Claim:
        return Claim(b"", (("", _hex(headers[header], "", header)),))

    return Scheme((header,), claim, _text_key(""))


# Those whose signature holds its time come first: a request signed so is of no use for ever.
TIMED: dict[str, Scheme] = {
    "standard_webhooks": Scheme(
        ("Webhook-Signature", "Webhook-Id", "Webhook-Timestamp"), _standard_claim, _standard_key
    ),
    "stripe": Scheme(("Stripe-Signature",), _stripe_claim, _text_key("v1")),
    "slack": Scheme(
        ("X-Slack-Signature", "X-Slack-Request-Timestamp"), _slack_claim, _text_key("v0")
    ),
}
UNTIMED: dict[str, Scheme] = {
    "github": Scheme(("X-Hub-Signature-256",), _github_claim, _text_key("sha256")),
    "hmac_sha256": hmac_sha256("X-Signature"),
}
