"""When to try again, and when to give up: pure functions of their arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Random(Protocol):
    """Where jitter comes from: the `random` module, or a generator the test owns."""

    def random(self) -> float:
        """A float in [0, 1)."""


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Try again after `delay` seconds."""

    delay: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No further try; `why` is followed by a colon and the last reason."""

    why: str


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`max_retries` retries after the first attempt; delays in seconds. See the guide's retry table.

    `retry_after_cap` bounds what a destination may ask for; `deadline` bounds the whole delivery.
    """

    max_retries: int = 3
    initial_delay: float = 1.0
    max_delay: float = 60.0
    exponential_base: float = 2.0
    jitter: bool = True
    retry_after_cap: float = 3600.0
    deadline: float | None = None

    def delay(self, retry: int) -> float:
        """Seconds before retry `retry` (from 1), without jitter."""
        try:
            return min(self.initial_delay * self.exponential_base ** (retry - 1), self.max_delay)
        except OverflowError:
            return self.max_delay if self.initial_delay else 0.0

    def next_step(
        self, attempts: int, retry_after: float, elapsed: float, rng: Random
    ) -> RetryAt | GiveUp:
        """After `attempts` attempts in `elapsed` seconds: try again when, or give up why.

        `retry_after` (seconds the destination asked for, or 0) is a floor on the delay, itself capped.
        """
        if attempts > self.max_retries:
            return given_up(attempts)
        delay = self.delay(attempts)
        if self.jitter:
            delay *= 0.5 + rng.random() / 2
        delay = max(delay, min(retry_after, self.retry_after_cap))
        if self.deadline is not None and elapsed + delay > self.deadline:
            return GiveUp(
                f"a retry in {delay:.1f} s would outlive the deadline of {self.deadline:g} s, and the last attempt failed with"
            )
        return RetryAt(delay)


def given_up(attempts: int) -> GiveUp:
    """After so many attempts."""
    if attempts == 1:
        return GiveUp("the attempt failed with")
    return GiveUp(f"all {attempts} attempts failed, the last with")


ONCE = RetryPolicy(max_retries=0)
