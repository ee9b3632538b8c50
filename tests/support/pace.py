"""What the tests of the pace share: signals, and attempts one after another on a clock of numbers."""

from __future__ import annotations

from vaulytica.delivery.breaker import State
from vaulytica.delivery.pace import Heard, Pace, PaceSettings, Signal

FOREVER = float("inf")


def well(latency: float = 0.1, *, again: bool = False) -> Signal:
    return Signal(Heard.WELL, latency, 1, again=again)


def busy(latency: float = 0.1, *, again: bool = True, hold: float | None = None) -> Signal:
    return Signal(Heard.BUSY, latency, hold=hold, again=again)


def failed(latency: float = 0.1, *, again: bool = True) -> Signal:
    return Signal(Heard.FAILED, latency, again=again)


def ask(pace: Pace, now: float, *, patient: bool = True, again: bool = False) -> float:
    return pace.admit(now, 1, 100, patient=patient, again=again)


def once(pace: Pace, now: float, signal: Signal, *, again: bool = False) -> bool:
    """One attempt that is let through at once, and ends after its latency."""
    assert ask(pace, now, again=again) == 0
    return pace.heed(now + signal.latency, signal)


def proven(*, apart: bool = False, **settings: float) -> Pace:
    """A pace of a destination that has delivered something."""
    pace = Pace(PaceSettings(**settings), apart=apart)
    once(pace, -1.0, well())
    return pace


def opened(**settings: float) -> Pace:
    """A pace whose breaker has opened at time 0, for a second; five failed."""
    pace = proven(**settings)
    for _ in range(5):
        assert ask(pace, -0.1) == 0
    for _ in range(5):
        pace.heed(0.0, failed())
    assert pace.state is State.OPEN
    return pace


def rounds(pace: Pace, now: float, latencies: list[float]) -> float:
    """Answers one after another; when the last has come."""
    for latency in latencies:
        once(pace, now, well(latency))
        now += latency
    return now
