"""Guard: what the middlewares share: how requests are verified, how large they may be, what is answered."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from vaulytica.errors import SignatureError
from vaulytica.receiving.content_length import content_length
from vaulytica.receiving.replays import LEASE, REMEMBER, Once, refuse_untimed
from vaulytica.receiving.seen import SeenIds
from vaulytica.receiving.settings import size
from vaulytica.receiving.verification import TOLERANCE, Verifier

VERIFIED = (
    "vaulytica.verified"  # where the app finds what was verified: in `scope`, or in `environ`
)
MAX_BODY = 1024 * 1024  # bytes


class Guard:
    """`secrets`, `scheme`, `tolerance`, `hmac_header`: see `verify`. `seen`, `remember`, `lease`: see `once`.

    A body of more than `max_body` bytes is answered 413 before it is read whole.
    """

    def __init__(
        self,
        secrets: str | Sequence[str],
        *,
        scheme: str | Sequence[str] | None = None,
        tolerance: float = TOLERANCE,
        hmac_header: str = "X-Signature",
        max_body: int = MAX_BODY,
        seen: SeenIds | None = None,
        remember: float = REMEMBER,
        lease: float = LEASE,
    ) -> None:
        self.verifier = Verifier(
            secrets, scheme=scheme, tolerance=tolerance, hmac_header=hmac_header
        )
        self.max_body = size("max_body", max_body)
        self.once = None
        if seen is not None:
            refuse_untimed(self.verifier.schemes)
            self.once = Once(seen, remember=remember, lease=lease, tolerance=tolerance)

    def length(self, given: Iterable[str | bytes]) -> int | None:
        """What Content-Length says; `TooLarge` if that is too much, `BadRequest` if it cannot be read."""
        try:
            length = content_length(given)
        except ValueError as error:
            raise BadRequest(str(error)) from None
        self.refuse_size(length or 0)
        return length

    def refuse_size(self, size: int) -> None:
        """Raise `TooLarge` if a body of so many bytes is."""
        if size > self.max_body:
            raise TooLarge(f"the body is larger than {self.max_body} bytes")


class BadRequest(Exception):
    """The request cannot be read; the text is for its sender."""

    status = 400


class TooLarge(BadRequest):
    """Its body is larger than allowed."""

    status = 413


Refusal = (BadRequest, SignatureError)


def answer(error: BadRequest | SignatureError) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
    """Status, headers and body of a refusal: one line of why, as JSON."""
    status = error.status or 400
    body = json.dumps({"ok": status < 300, "error": str(error)}).encode("ascii")
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    if status == 425:
        headers.append(("Retry-After", "1"))
    if isinstance(error, BadRequest):  # there may be more of it, which nobody will read
        headers.append(("Connection", "close"))
    return status, tuple(headers), body
