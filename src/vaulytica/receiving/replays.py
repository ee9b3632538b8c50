"""Each request handled once: one that comes again is told apart from one whose handler failed.

An id is claimed before its request is handled, for `lease` seconds. If that goes well, it is kept as done
for `remember` seconds; if not, the claim is given back, and the sender's next attempt is let in. A
process that dies in between leaves its claim, which lapses. So a replay is refused at any moment, and
no event is lost to it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vaulytica.errors import SignatureError, SignatureProblem, WebhookConfigError
from vaulytica.receiving.seen import SeenIds
from vaulytica.receiving.signatures import TIMED
from vaulytica.receiving.verification import Verified

REMEMBER = 3600.0  # seconds; as long as the sender may try again, and twice the tolerance at least
LEASE = 60.0  # seconds; longer than any handler takes


class Once:
    """The three steps: `begin`, then `done` or `failed`. Where the request is to be refused, `begin` raises."""

    def __init__(
        self,
        seen: SeenIds,
        *,
        remember: float = REMEMBER,
        lease: float = LEASE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._seen, self._clock = seen, clock
        self._remember, self._lease = remember, lease

    def begin(self, verified: Verified) -> None:
        """Claim it, or raise `SignatureError`: `REPLAYED` if it is done, `IN_PROGRESS` if another has it."""
        claim, done = _names(verified)
        if self._seen.has(done):
            raise _refusal(SignatureProblem.REPLAYED, "this request has been handled already")
        if not self._seen.add(claim, self._clock() + self._lease):
            raise _refusal(SignatureProblem.IN_PROGRESS, "this request is being handled just now")
        if self._seen.has(done):  # it became so between the two
            self._seen.discard(claim)
            raise _refusal(SignatureProblem.REPLAYED, "this request has been handled already")

    def done(self, verified: Verified) -> None:
        """It was handled; whoever sends it again is refused."""
        claim, done = _names(verified)
        self._seen.add(done, self._clock() + self._remember)
        self._seen.discard(claim)

    def failed(self, verified: Verified) -> None:
        """It was not; the next attempt is let in."""
        self._seen.discard(_names(verified)[0])


@contextmanager
def once(
    verified: Verified, seen: SeenIds, *, remember: float = REMEMBER, lease: float = LEASE
) -> Iterator[None]:
    """For a `with` around the handler; raises `SignatureError` before it where the request is a replay.

    What the handler raises counts as a failure, and is raised.
    """
    steps = Once(seen, remember=remember, lease=lease)
    steps.begin(verified)
    try:
        yield
    except BaseException:
        steps.failed(verified)
        raise
    steps.done(verified)


def refuse_untimed(schemes: tuple[str, ...]) -> None:
    """Raise if one of these signs neither an id nor a time: a replay is then the same as a new event."""
    untimed = [name for name in schemes if name not in TIMED]
    if untimed:
        raise WebhookConfigError(
            f"{untimed[0]} signs neither an id nor a time: a replay cannot be told from a new event"
        )


def _names(verified: Verified) -> tuple[str, str]:
    """Under which its claim and its being done are remembered: its id, else the signature with its time."""
    refuse_untimed((verified.scheme,))
    told = verified.id or hashlib.sha256(verified.signature.encode("ascii")).hexdigest()
    return f"claim {verified.scheme} {told}", f"done {verified.scheme} {told}"


def _refusal(problem: SignatureProblem, text: str) -> SignatureError:
    return SignatureError(problem, text)
