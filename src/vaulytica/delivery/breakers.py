"""Breakers: one for all that is sent to a destination; and, where it is kept apart, one for what was tried before.

What fails again and again may be at fault itself. Where it has a breaker of its own, it keeps back only its
like: what was never tried goes on, and if that goes well, the destination is not down. What fails for the
first time counts for both: a lone event, tried again and again, must find out in time that all is down.
Theory: docs/PACE.md.
"""

from __future__ import annotations

from vaulytica.delivery.breaker import Breaker, State
from vaulytica.delivery.times import FOREVER


class Breakers:
    """`apart`: there are two. `again`, here: of a request whose events have been tried before."""

    def __init__(
        self, open_after: int, cool_down: float, max_cool_down: float, *, apart: bool
    ) -> None:
        self._all = Breaker(open_after, cool_down, max_cool_down)
        self._again = Breaker(open_after, cool_down, max_cool_down) if apart else self._all
        self._apart = apart
        self._limit_again = FOREVER

    def _of(self, again: bool) -> Breaker:
        """Whose it is: while that of all is not closed, there is no other."""
        return self._again if again and self._all.state is State.CLOSED else self._all

    @property
    def state(self) -> State:
        """The destination's, as far as is known."""
        again = self._again
        return (
            again.state if self._all.state is State.CLOSED and again.has_probed else self._all.state
        )

    @property
    def are_closed(self) -> bool:
        """Whether both are."""
        return self._all.state is self._again.state is State.CLOSED

    @property
    def limit_again(self) -> float:
        """So many requests that are made again may be in flight: one while their breaker is not closed."""
        return self._limit_again if self._of(True).state is State.CLOSED else 1.0

    def wait(self, now: float, *, again: bool) -> float:
        """See `Breaker.wait`."""
        return self._of(again).wait(now)

    def begin(self, now: float, *, again: bool) -> None:
        """See `Breaker.begin`."""
        self._of(again).begin(now)

    def idle(self) -> None:
        """See `Breaker.idle`."""
        self._all.idle()
        self._again.idle()

    def well(self, now: float, *, again: bool) -> bool:
        """A request went well; whether a destination that was down for all is back by that.

        Where only what was tried before was kept back, that begins with one, and nothing else slows down.
        """
        if self._apart:
            if self._again.well(now):
                self._limit_again = 1.0
            elif again:
                self._limit_again += 1
        return self._all.well(now)

    def failed(self, now: float, began: float, *, again: bool, busy: bool) -> None:
        """A request that began then has failed now; a busy answer counts only where that is a probe's."""
        if self._all.is_of_before(began):
            return
        one = self._of(again)
        if not busy and one is not self._again and self._again.state is State.CLOSED:
            self._again.failed(now, began)
        if one.state is not State.CLOSED or not busy:
            one.failed(now, began)

    def excuse(self, began: float, *, again: bool) -> bool:
        """Whether such a request, which has failed, shares its fault with others."""
        one = self._of(again)
        return (
            one.state is not State.CLOSED
            or one.is_of_before(began)
            or self._all.is_of_before(began)
        )
