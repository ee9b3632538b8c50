"""Each request handled once: one that comes again is told apart from one whose handler failed.

An id is claimed before its request is handled, for `lease` seconds. If that goes well, the claim becomes
done, for `remember` seconds; if not, it is given back, and the sender's next attempt is let in. A
process that dies in between leaves its claim, which lapses. So a replay is refused at any moment, and
no event is lost to it. A claim carries a token, so that who comes too late gives back no other's.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vaulytica.errors import SignatureError, SignatureProblem, WebhookConfigError
from vaulytica.receiving.seen import Seen, SeenIds
from vaulytica.receiving.settings import seconds
from vaulytica.receiving.signatures import TIMED
from vaulytica.receiving.verification import TOLERANCE, Verified

REMEMBER = 3600.0  # seconds; as long as the sender may try again, and twice the tolerance at least
LEASE = 60.0  # seconds; longer than any handler takes


class Once:
    """Lets each request through one time. Here, and nowhere else, `remember` and `lease` are checked."""

    def __init__(
        self,
        seen: SeenIds,
        *,
        remember: float = REMEMBER,
        lease: float = LEASE,
        tolerance: float = TOLERANCE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._seen, self._clock = seen, clock
        self._remember, self._lease = seconds("remember", remember), seconds("lease", lease)
        if remember < 2 * tolerance:  # signed in the future, a request is right for twice as long
            raise WebhookConfigError(
                f"remember must be twice the tolerance at least, {2 * tolerance:g} s: "
                "what is forgotten sooner could be replayed"
            )

    def begin(self, verified: Verified) -> Handling:
        """Claim it, or raise `SignatureError`: `REPLAYED` if it is done, `IN_PROGRESS` if another has it."""
        name, token = _name(verified), secrets.token_hex(16)
        found = self._seen.claim(name, token, self._clock() + self._lease)
        if found is Seen.DONE:
            raise SignatureError(SignatureProblem.REPLAYED, "this request has been handled already")
        if found is Seen.CLAIMED:
            raise SignatureError(
                SignatureProblem.IN_PROGRESS, "this request is being handled just now"
            )
        return Handling(self, name, token)

    def end(self, name: str, token: str, is_done: bool) -> None:
        """See `Handling`."""
        if is_done:
            self._seen.done(name, self._clock() + self._remember)
        else:
            self._seen.release(name, token)


class Handling:
    """A request that is being handled; one of the two ends it."""

    def __init__(self, once: Once, name: str, token: str) -> None:
        self._once, self._name, self._token = once, name, token

    def done(self) -> None:
        """It was handled; whoever sends it again is refused."""
        self._once.end(self._name, self._token, True)

    def failed(self) -> None:
        """It was not; the next attempt is let in, unless it has been let in already."""
        self._once.end(self._name, self._token, False)


@contextmanager
def once(
    verified: Verified, seen: SeenIds, *, remember: float = REMEMBER, lease: float = LEASE
) -> Iterator[None]:
    """For a `with` around the handler; raises `SignatureError` before it where the request is a replay.

    What the handler raises counts as a failure, and is raised. `remember`: seconds, twice the
    tolerance at least. `lease`: seconds, longer than any handler takes.
    """
    steps = Once(seen, remember=remember, lease=lease, tolerance=verified.tolerance)
    handling = steps.begin(verified)
    try:
        yield
    except BaseException:
        handling.failed()
        raise
    handling.done()


def refuse_untimed(schemes: tuple[str, ...]) -> None:
    """Raise if one of these signs neither an id nor a time: a replay is then the same as a new event."""
    untimed = [name for name in schemes if name not in TIMED]
    if untimed:
        raise WebhookConfigError(
            f"{untimed[0]} signs neither an id nor a time: a replay cannot be told from a new event"
        )


def _name(verified: Verified) -> str:
    """Under which it is remembered: its id, else what was signed, whoever's key and signature fit."""
    refuse_untimed((verified.scheme,))
    if verified.id is not None:
        return f"{verified.scheme} {verified.id}"
    signed = hashlib.sha256(f"{verified.timestamp}.".encode("ascii"))
    signed.update(verified.body)
    return f"{verified.scheme} {signed.hexdigest()}"
