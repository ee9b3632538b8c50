"""Slots: what a lane may claim next. Some are kept for what is fresh while old deliveries are tried again. Pure."""

from __future__ import annotations

from heapq import heappop, heappush
from math import inf

import msgspec

from vaulytica.outbox.delivery import Part
from vaulytica.outbox.states import State

_SAME = 0.1  # seconds
_ROUNDED = 0.002  # seconds that the outbox, which counts milliseconds, may lag behind us


class Kind(msgspec.Struct, frozen=True):
    """What to claim: only what is in that state, or, None, both in the order in which they are due."""

    only: State | None


_FRESH, _RETRIES, _BOTH = Kind(State.FRESH), Kind(State.DEFERRED), Kind(None)


class Slots:
    """`width`: requests at a time. `fresh`: there may be something that was never tried.

    `retrying`: requests under way whose events have been tried before. `plenty`: at the last claim there
    was enough that there is more.
    """

    def __init__(self, width: int, *, in_order: bool) -> None:
        self.width, self.in_order = width, in_order
        self.fresh = True
        self.retrying = 0
        self.plenty = False
        self._retries = True  # after a start there may be some
        self._due: list[float] = []  # when more are, a heap
        self._was_retry = False
        self.allow(width, width)

    def allow(self, limit: float, again: float) -> None:
        """So many requests may be in flight now, and of what was tried before so many of these."""
        self._limit, self._again = min(self.width, int(limit)), int(again)

    def due(self, at: float) -> None:
        """Something is to be tried again then."""
        heappush(self._due, at + _ROUNDED)

    def first_due(self, at: float) -> None:
        """The same, and nothing is before that. Told again and again, it is kept once."""
        at += _ROUNDED
        if not self._due or at < self._due[0] - _SAME:
            heappush(self._due, at)

    def see(self) -> None:
        """There is something, of whatever kind."""
        self.fresh = self._retries = True

    def put_back(self, part: Part, now: float) -> None:
        """Some events were deferred."""
        if part.after or part.attempts:
            self.due(now + part.after)
        else:
            self.see()

    def has_work(self, now: float) -> bool:
        """Whether there may be something to claim."""
        while self._due and self._due[0] <= now:
            heappop(self._due)
            self._retries = True
        return self.fresh or self._retries

    def wait(self, now: float) -> float:
        """Seconds until something is due again."""
        return max(0.0, self._due[0] - now) if self._due else inf

    def next_kind(self, *, held: bool = False) -> Kind | None:
        """What to claim; None: the slots that are free are kept for what is fresh.

        `held`: nothing that was tried before may begin now. Then only what is fresh is claimed, `in_order`
        as well: the outbox gives out nothing of a key before what was put before it.
        """
        if held or not self._room:
            return _FRESH if self.fresh else None
        if self.in_order:
            return _BOTH
        if not self._retries or (self.fresh and self._was_retry):
            return _FRESH
        return _RETRIES

    def bound(self, kind: Kind, requests: int) -> int:
        """For how many of these requests to claim."""
        return requests if kind is _FRESH else min(requests, self._room)

    @property
    def _room(self) -> int:
        """Slots for what was tried before."""
        most = min(self._again, self._limit // 2 if self.fresh else self._limit - 1)
        return max(0, max(1, most) - self.retrying)

    def asking(self, kind: Kind) -> None:
        """That is being claimed: what is put from now on may be missed, and is looked for again."""
        self._was_retry = kind is _RETRIES
        self.plenty = False
        if kind is not _RETRIES:
            self.fresh = False
        if kind is not _FRESH:
            self._retries = False

    def found(self, kind: Kind, *, plenty: bool) -> None:
        """There was some of it, and may be more."""
        self.plenty = plenty
        if kind is not _RETRIES:
            self.fresh = True
        if kind is not _FRESH:
            self._retries = True
