"""Health: what is wrong with a destination as a whole, and when to try it again. Pure: time is an argument.

A rejection that speaks of the destination (credentials refused, no trusted connection, gone, a wrong
URL) must not make dead letters of all that waits. It suspends the lane, and what was to be sent stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from math import inf

from vaulytica.delivery.kept import Redelivery
from vaulytica.delivery.outcome import Reason
from vaulytica.delivery.run import DownDetector
from vaulytica.outbox.delivery import Pause

FIRST, LONGEST = 5.0, 300.0  # seconds from one try of a suspended destination to the next
_GONE = 410


class News(StrEnum):
    """What has changed."""

    SUSPENDED = "suspended"  # it refuses whatever it is sent; tried again from time to time
    GONE = "gone"  # it said 410: not tried again until somebody has looked
    WELL = "well"  # it takes events again


class Health:
    """Of one destination. `why`: the reason for which it is suspended; None if it is not.

    `pause`: the outbox says that nothing is to be sent there.
    """

    def __init__(self) -> None:
        self.why: Reason | None = None
        self.pause: Pause | None = None
        self._until = -inf
        self._wait = FIRST
        self._in_a_row = 0

    @property
    def is_gone(self) -> bool:
        """Whether nothing is sent until somebody has looked."""
        return self._until == inf

    @property
    def is_held_up(self) -> bool:
        """The same, or it is paused."""
        return self.is_gone or self.pause is not None

    @property
    def is_doubted(self) -> bool:
        """Whether it has refused a batch as where a URL is wrong, and taken nothing since."""
        return self._in_a_row > 0

    def wait(self, now: float) -> float:
        """Seconds until the destination may be tried; infinity if it is gone, or paused."""
        return inf if self.pause is not None else max(0.0, self._until - now)

    def heed(self, made: Redelivery, now: float) -> News | None:
        """What became of a batch or several; what has changed by that, if anything."""
        if made.settlement.groups:
            news = News.WELL if self.why is not None else None
            self.why, self._until, self._wait, self._in_a_row = None, -inf, FIRST, 0
            return news
        reasons = list(_reasons(made))
        refused = [reason for reason in reasons if DownDetector.perhaps(reason)]
        if refused:
            self._in_a_row += 1
            return self._suspend(refused[0], now) if self._in_a_row >= DownDetector.AFTER else None
        return None if made.down is None else self._suspend(reasons[0], now)

    def _suspend(self, reason: Reason, now: float) -> News | None:
        is_news = self.why is None
        self.why = reason
        if reason.status == _GONE:
            is_news = not self.is_gone
            self._until = inf
            return News.GONE if is_news else None
        if not self.is_gone:
            self._until = now + self._wait
            self._wait = min(2 * self._wait, LONGEST)
        return News.SUSPENDED if is_news else None

    def heed_pause(self, pause: Pause | None) -> bool:
        """What the outbox says of it now; whether it was paused or resumed by that."""
        was, self.pause = self.pause, pause
        if was is not None and pause is None:
            self.resume()
        return (was is None) != (pause is None)

    def resume(self) -> None:
        """Somebody has looked: try again at once, unless somebody has paused it by hand."""
        if self.pause is not None and not self.pause.by_hand:
            self.pause = None
        self._until, self._wait = -inf, FIRST


def _reasons(made: Redelivery) -> Iterator[Reason]:
    """Why events were put off, the last time, or given up on."""
    for later in made.later:
        if later.tried:
            yield later.tried[-1].reason
    for result in made.settlement.results:
        if result.reason is not None:
            yield result.reason
