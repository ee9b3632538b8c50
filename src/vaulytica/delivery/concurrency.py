"""Concurrency: how many requests may be in flight, learnt from how the destination bears them.

Additive increase, multiplicative decrease, as in TCP: about one more for each round trip that goes
well, half as many when the destination is busy. Slow answers count as busy only if sending less makes
them faster. Theory: docs/PACE.md.
"""

from __future__ import annotations

from vaulytica.delivery.times import FOREVER, SLACK

_HALF = 0.5
_GENTLY = 0.9
_SLOW = 3.0  # times the baseline: answers take so long that a queue is likely
_HELPED = 0.7  # of the latency before: what is less than that came of sending less
_ROUND = 5  # answers at least, for their lower quartile to mean something


class Concurrency:
    """The limit moves between 1 and `most`, where it begins. It holds for whole requests: see `limit`."""

    def __init__(self, most: int) -> None:
        self.limit = float(most)
        # Seconds an answer takes where no queue of ours delays it.
        self.baseline: float | None = None
        self._most = float(most)
        self._slow_start_to = 0.0
        # What began before the last decrease says nothing of the new limit.
        self._fresh_from = -FOREVER
        self._latencies: list[float] = []
        self._round = max(_ROUND, most)
        self._was_slow = False  # the last round of answers was; then the limit does not grow
        # The limit and the latency before a decrease that has yet to show that it helps.
        self._trial: tuple[float, float] | None = None

    def well(self, now: float, latency: float) -> None:
        """A request went well."""
        if now - latency < self._fresh_from:
            return
        limit = self.limit
        if limit < self._most and not self._was_slow:
            more = 1.0 if limit < self._slow_start_to else 1.0 / limit
            self.limit = min(limit + more, self._most)
        self._sample(now, latency)

    def failed(self, now: float, latency: float) -> None:
        """A request failed. At once, that tells nothing of how fast answers are; a time-out does."""
        fresh = now - latency >= self._fresh_from
        if fresh and self.baseline is not None and latency > self.baseline:
            self._sample(now, latency)

    def _sample(self, now: float, latency: float) -> None:
        """An answer took so long; when a round of them is there, see whether they are slow."""
        # Their lower quartile: a queue delays all of them, and some may be slow for reasons of their own.
        latencies = self._latencies
        latencies.append(latency)
        if len(latencies) >= self._round:
            typical = sorted(latencies)[len(latencies) // 4]
            self._begin_round()
            self._judge(now, typical)

    def busy(self, now: float, began: float, *, gently: bool = False) -> bool:
        """The destination asks for less; whether that is news, and not the same round trip's again."""
        if began < self._fresh_from:
            return False
        self._trial, self._was_slow = None, False
        self._decrease(now, _GENTLY if gently else _HALF)
        return True

    def restart(self, now: float) -> None:
        """The destination is back after an outage: begin with one, and double up to half the former limit."""
        self._trial, self._was_slow = None, False
        self._slow_start_to = max(self.limit * _HALF, 1.0)
        self.limit = 1.0
        self._fresh_from = now - SLACK
        self._begin_round()

    def _judge(self, now: float, typical: float) -> None:
        baseline = self.baseline
        if self._trial is not None:
            former, before = self._trial
            self._trial = None
            if typical > _HELPED * before:  # no queue of ours: it takes that long now
                self.limit = former
                baseline = typical
        if baseline is None or typical < baseline:
            baseline = typical
        self.baseline = baseline
        slow = typical > _SLOW * baseline
        was_slow, self._was_slow = self._was_slow, slow
        if slow and was_slow:
            self._trial = (self.limit, typical)
            self._decrease(now, _HALF)

    def _decrease(self, now: float, factor: float) -> None:
        self.limit = self._slow_start_to = max(1.0, self.limit * factor)
        self._fresh_from = now - SLACK
        self._begin_round()

    def _begin_round(self) -> None:
        self._latencies = []
        self._round = max(_ROUND, int(self.limit))
