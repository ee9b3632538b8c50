"""Ending: how long a lane that is to end goes on first. Pure: time is an argument.

    lives ── drain ──▶ drains ── nothing can go before the end ──▶ stops ── nothing is under way ──▶ ended
                         └────── the destination is still down ──────▲
      └────────────────────────────── stop ──────────────────────────┘

While a lane drains it can go on as it always can: when a slot is free, a verdict is written, or a time
has come (of its pace, its breaker, its rate limit, or of what is to be tried again). The first two wake
it. So it is over when neither is under way, and the next of these times is past the end. A destination
that is down gets one more try, when it is due: if that fails too, the lane does not wait for the next.
"""

from __future__ import annotations

from math import inf


class Ending:
    """Of one lane. `is_stopping`: nothing more is begun."""

    def __init__(self) -> None:
        self._until = inf
        self.is_draining = self.is_stopping = False

    def drain(self, until: float) -> None:
        """Go on until then at most."""
        self._until = min(self._until, until)
        self.is_draining = True

    def stop(self) -> None:
        """Begin nothing more."""
        self.is_stopping = True

    def is_over(self, now: float, seconds: float) -> bool:
        """Whether a lane need not wait for so long, if nothing of it is under way."""
        return self.is_draining and now + seconds >= self._until
