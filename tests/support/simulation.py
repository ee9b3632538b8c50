"""A simulated destination, and workers that deliver to it at a `Pace`, on a clock that only events move.

What happens in an hour is computed in less than a second, the same each time. A scenario is a file in
tests/scenarios: phases of what the destination does, and the laws that its simulation must keep.

    seconds, workers        how long, and how many batches are under way at a time
    [pace]                  settings of the `Pace`
    [[phase]]               from `at` seconds on, until the next:
      latency, slots        so many requests are served at a time, each for so many seconds; others queue
      slow_every, slow_by   every nth request takes so many times as long
      answer                well, busy (503), failed (500), unreached, or timeout
      rate, window          at most so many requests a second, counted in windows; the rest get 429 …
      asks                  … and whether that says when the window ends (Retry-After)
    [laws]                  see `Simulation.broken_laws`
"""

from __future__ import annotations

import heapq
import tomllib
from bisect import bisect_left
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import count, pairwise
from pathlib import Path
from typing import Any

from support.heart import Dice
from vaulytica.delivery.pace import Heard, Pace, PaceSettings, Signal
from vaulytica.delivery.policy import GiveUp, RetryAt, RetryPolicy

FOLDER = Path(__file__).parents[1] / "scenarios"
EVENTS, SIZE = 1000, 300_000  # of each batch
_REFUSED_AFTER = 0.005  # seconds that an answer other than "well" takes
_TIMEOUT = 3.0
_FAULTS = {"busy": Heard.BUSY, "failed": Heard.FAILED, "unreached": Heard.UNREACHED}


@dataclass(frozen=True)
class Phase:
    """What the destination does from `at` on."""

    at: float
    latency: float = 0.05
    slots: int = 8
    slow_every: int = 0
    slow_by: float = 10.0
    answer: str = "well"
    rate: float | None = None
    window: float = 1.0
    asks: bool = False

    def capacity(self, workers: int) -> float:
        """Requests a second that it could take of so many workers at most."""
        if self.answer != "well":
            return 0.0
        slow = 1 + (self.slow_by - 1) / self.slow_every if self.slow_every else 1.0
        capacity = min(self.slots, workers) / (self.latency * slow)
        return capacity if self.rate is None else min(capacity, self.rate)


@dataclass(frozen=True)
class Scenario:
    """One file."""

    name: str
    title: str
    about: str
    seconds: float
    workers: int
    pace: PaceSettings
    phases: tuple[Phase, ...]
    laws: dict[str, float]

    def phase(self, now: float) -> Phase:
        """The one that is on."""
        return [phase for phase in self.phases if phase.at <= now][-1]

    def spans(self) -> Iterator[tuple[Phase, float, float]]:
        """Each phase with its begin and end."""
        ends = [*(phase.at for phase in self.phases[1:]), self.seconds]
        for phase, end in zip(self.phases, ends, strict=True):
            yield phase, phase.at, end

    def capacity(self) -> float:
        """Requests that could be taken in all that time; our own rate limit counts too."""
        return sum(self.reference(phase) * (end - begin) for phase, begin, end in self.spans())

    def reference(self, phase: Phase) -> float:
        """The most requests a second that a perfect sender would get through in this phase."""
        capacity = phase.capacity(min(self.workers, self.pace.concurrency))
        limit = self.pace.events_per_second
        return capacity if limit is None else min(capacity, limit / EVENTS)


def scenarios() -> list[Scenario]:
    """All there are, by name."""
    return [read(path) for path in sorted(FOLDER.glob("*.toml"))]


def read(path: Path) -> Scenario:
    """The scenario in a file."""
    entries: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    return Scenario(
        path.stem,
        entries["title"],
        entries["about"],
        entries["seconds"],
        entries.get("workers", 8),
        PaceSettings(**entries.get("pace", {})),
        tuple(Phase(**phase) for phase in entries["phase"]),
        entries["laws"],
    )


class SimulatedDestination:
    """Serves requests in turn, so many at a time; tells what each is answered and when."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._busy_until: list[float] = []
        self._served = 0
        self._window: tuple[float, int] = (0.0, 0)  # its begin, and how many it has taken

    def receive(self, now: float) -> tuple[float, Heard, float | None]:
        """When the answer to a request is there, what it says, and the wait it asks for."""
        phase = self._scenario.phase(now)
        if phase.answer == "timeout":
            return now + _TIMEOUT, Heard.FAILED, None
        if phase.answer != "well":
            return now + _REFUSED_AFTER, _FAULTS[phase.answer], None
        if phase.rate is not None and not self._has_room(phase, now):
            left = self._window[0] + phase.window - now
            return now + _REFUSED_AFTER, Heard.BUSY, left if phase.asks else None
        return self._serve(phase, now), Heard.WELL, None

    def _has_room(self, phase: Phase, now: float) -> bool:
        begin, taken = self._window
        if begin != (begin := now // phase.window * phase.window):
            taken = 0
        assert phase.rate is not None
        room = taken < phase.rate * phase.window
        self._window = begin, taken + room
        return room

    def _serve(self, phase: Phase, now: float) -> float:
        self._served += 1
        slow = phase.slow_every and self._served % phase.slow_every == 0
        busy = [until for until in self._busy_until if until > now]
        begin = now if len(busy) < phase.slots else sorted(busy)[-phase.slots]
        end = begin + phase.latency * (phase.slow_by if slow else 1.0)
        self._busy_until = [*busy, end]
        return end


class _Worker:
    """Does one thing after another; `flow` gives the seconds until the next."""

    def __init__(self, flow: Iterator[float]) -> None:
        self.flow = flow
        self.call = 0  # the number of the call that is to wake it; earlier ones are void


class Simulation:
    """Workers as the senders have them: each takes a batch through its attempts, then the next one."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.pace = Pace(scenario.pace)
        self.now = 0.0
        self.delivered: list[float] = []  # the time of each
        self.limits: list[tuple[float, float]] = []  # each change: time and value
        self.states: list[tuple[float, str]] = []
        self.attempts = self.charged = self.given_up = self.most_in_flight = 0
        self._destination = SimulatedDestination(scenario)
        self._agenda: list[tuple[float, int, _Worker]] = []
        self._calls = count(1)
        self._in_turn: list[_Worker] = []

    def run(self) -> Simulation:
        """To its end; returns itself."""
        for _ in range(self.scenario.workers):
            self._call(_Worker(iter(())), 0.0)
        for _, _, worker in self._agenda:
            worker.flow = self._work(worker)
        while self._agenda and self._agenda[0][0] <= self.scenario.seconds:
            self.now, call, worker = heapq.heappop(self._agenda)
            if call == worker.call:
                self._call(worker, next(worker.flow))
                self._note()
        return self

    @property
    def wasted(self) -> int:
        """Attempts that brought nothing."""
        return self.attempts - len(self.delivered)

    def rate(self, begin: float, end: float) -> float:
        """Requests delivered a second."""
        return (bisect_left(self.delivered, end) - bisect_left(self.delivered, begin)) / (
            end - begin
        )

    def broken_laws(self) -> Iterator[str]:
        """delivered_share: of what was possible, at least; given_up, charged, wasted: attempts at most.

        back_within: after a phase without capacity, seconds until a second has 80 % of it again, at most.
        """
        laws = dict(self.scenario.laws)
        share = len(self.delivered) / self.scenario.capacity()
        if share < laws.pop("delivered_share"):
            yield f"only {share:.1%} of what was possible is delivered"
        if (within := laws.pop("back_within", None)) is not None:
            yield from self._too_long_away(within)
        for name, most in laws.items():
            if (amount := getattr(self, name)) > most:
                yield f"{name} is {amount}"

    def _too_long_away(self, within: float) -> Iterator[str]:
        spans = list(self.scenario.spans())
        for (before, _, _), (phase, begin, end) in pairwise(spans):
            reference = self.scenario.reference(phase)
            if not self.scenario.reference(before) and reference:
                until = begin + within + 1
                if until <= end and self.rate(until - 1, until) < 0.8 * reference:
                    yield f"{within} s after {begin} it is not back: {self.rate(until - 1, until)}/s"

    def _note(self) -> None:
        for log, value in ((self.limits, self.pace.limit), (self.states, str(self.pace.state))):
            if not log or log[-1][1] != value:
                log.append((self.now, value))
        self.most_in_flight = max(self.most_in_flight, self.pace.in_flight)

    def _call(self, worker: _Worker, after: float) -> None:
        worker.call = next(self._calls)
        if after < float("inf"):
            heapq.heappush(self._agenda, (self.now + after, worker.call, worker))

    def _work(self, worker: _Worker) -> Iterator[float]:
        while True:
            yield from self._deliver(worker, RetryPolicy(jitter=False))

    def _deliver(self, worker: _Worker, policy: RetryPolicy) -> Iterator[float]:
        """One batch, as `delivery/flow.py` does it."""
        charged, again = 0, False
        step: RetryAt | GiveUp = RetryAt(0.0)
        while isinstance(step, RetryAt):
            yield step.delay
            yield from self._turn(worker)
            signal = yield from self._attempt(again)
            again = True
            excused = self.pace.heed(self.now, signal)
            self._wake()
            if signal.delivered:
                self.delivered.append(self.now)
                return
            charged += not excused
            self.charged += not excused
            step = policy.next_step(0 if excused else charged, signal.hold or 0.0, 0.0, Dice(0.5))
        self.given_up += 1

    def _turn(self, worker: _Worker) -> Iterator[float]:
        """Ask until the pace allows: when it says so, and whenever an attempt has ended."""
        while wait := self.pace.admit(self.now, EVENTS, SIZE):
            self._in_turn.append(worker)
            yield wait
            if worker in self._in_turn:
                self._in_turn.remove(worker)

    def _wake(self) -> None:
        waiting, self._in_turn = self._in_turn, []
        for worker in waiting:
            self._call(worker, 0.0)

    def _attempt(self, again: bool) -> Generator[float, None, Signal]:
        began = self.now
        ends, heard, hold = self._destination.receive(began)
        yield ends - began
        self.attempts += 1
        return Signal(heard, self.now - began, EVENTS if heard is Heard.WELL else 0, hold, again)
