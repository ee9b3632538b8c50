"""Pace: what holds whatever the destination says, in whatever order, and however long it was bad."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from support.simulation import Phase, Scenario, Simulation
from vaulytica.delivery.breaker import TRANSITIONS, State
from vaulytica.delivery.pace import Heard, Pace, PaceSettings, Signal
from vaulytica.delivery.rate import Rate

FOREVER = float("inf")
MOST_HOLD = 120.0

SETTINGS = st.builds(
    PaceSettings,
    concurrency=st.integers(1, 20),
    events_per_second=st.none() | st.floats(0.5, 1000),
    bytes_per_second=st.none() | st.floats(100, 1e6),
    max_hold=st.just(MOST_HOLD),
    open_after=st.integers(1, 6),
)
SIGNALS = st.builds(
    Signal,
    st.sampled_from(Heard),
    st.floats(1e-3, 40),
    delivered=st.sampled_from([0, 0, 10]),
    hold=st.none() | st.floats(0, 1e6),
    again=st.booleans(),
)
STEPS = st.lists(
    st.tuples(
        st.floats(0, 5),  # time that passes
        st.sampled_from(["admit", "admit", "impatient", "heed", "heed", "leave"]),
        SIGNALS,
    ),
    max_size=60,
)


class History:
    """Any callers of a pace, and what they may see."""

    def __init__(self, bounds: PaceSettings, apart: bool) -> None:
        self.pace = Pace(bounds, apart=apart)
        self.now = 1000.0
        # Of those in flight: when, whether patient, and whether tried before.
        self.begun: list[tuple[float, bool, bool]] = []

    def go(self, steps: list[tuple[float, str, Signal]]) -> None:
        for passed, what, signal in steps:
            self.now += passed
            if what in ("admit", "impatient"):
                self.admit(what == "admit", signal.again)
            elif self.begun:
                began, _, again = self.begun.pop(0)
                if what == "leave":
                    self.pace.leave()
                else:
                    latency = self.now - began
                    heard = Signal(signal.heard, latency, signal.delivered, signal.hold, again)
                    self.pace.heed(self.now, heard)
            self.check()

    def admit(self, patient: bool, again: bool) -> None:
        alone = not self.begun
        wait = self.pace.admit(self.now, 1, 100, patient=patient, again=again)
        assert wait >= 0
        if wait == 0:
            self.begun.append((self.now, patient, again))
        elif alone or not patient:
            assert wait <= MOST_HOLD + 60, "with nothing in flight, the wait has an end"

    def check(self) -> None:
        most = self.pace.settings.concurrency
        assert self.pace.in_flight == len(self.begun)
        assert sum(patient for _, patient, _ in self.begun) <= most
        assert 1 <= self.pace.limit <= most
        breakers = self.pace._breakers
        if breakers._all.state is State.HALF_OPEN:
            probes = [began for began, patient, _ in self.begun if patient]
            assert sum(began >= breakers._all.since for began in probes) <= 1
        elif breakers._all.state is State.CLOSED and breakers._again.state is State.HALF_OPEN:
            probes = [began for began, patient, again in self.begun if patient and again]
            assert sum(began >= breakers._again.since for began in probes) <= 1


@given(SETTINGS, st.booleans(), STEPS)
def test_never_too_many_in_flight_and_never_an_endless_wait(
    bounds: PaceSettings, apart: bool, steps: list[tuple[float, str, Signal]]
) -> None:
    History(bounds, apart).go(steps)


@given(SETTINGS, st.booleans(), STEPS, st.booleans())
def test_whatever_was_it_goes_on_when_the_destination_is_well(
    bounds: PaceSettings, apart: bool, steps: list[tuple[float, str, Signal]], again: bool
) -> None:
    history = History(bounds, apart)
    history.go(steps)
    pace, now = history.pace, history.now
    for began, _, _ in history.begun:
        pace.heed(now, Signal(Heard.WELL, now - began, 1))
    end = now + MOST_HOLD + 60
    while now < end and (wait := pace.admit(now, 1, 100, again=again)):
        now += wait

    assert now < end
    pace.heed(now + 0.1, Signal(Heard.WELL, 0.1, 1))
    assert pace.state is State.CLOSED


FAULTS = st.builds(
    Phase,
    st.just(10.0),
    answer=st.sampled_from(["busy", "failed", "unreached", "timeout", "well"]),
    slots=st.integers(1, 16),
    latency=st.floats(0.02, 1.0),
    rate=st.none() | st.integers(1, 50),
    asks=st.booleans(),
)


@settings(max_examples=20)
@given(FAULTS, st.floats(1, 120), st.integers(1, 16), st.floats(0.05, 0.2))
def test_after_any_trouble_eighty_percent_of_the_capacity_are_used_again_soon(
    fault: Phase, lasts: float, workers: int, latency: float
) -> None:
    """Soon: the longest cool-down or pause, and what was in flight, later; and some round trips."""
    well = Phase(fault.at + lasts, latency=latency, slots=workers)
    soon = well.at + 35 + 3 + 60 * latency
    pace = PaceSettings(concurrency=workers)
    phases = (Phase(0.0, latency=latency, slots=workers), fault, well)
    scenario = Scenario("any", "", "", soon + 5, workers, pace, phases, {})
    simulation = Simulation(scenario).run()

    assert simulation.most_in_flight <= workers
    assert simulation.rate(soon, soon + 5) >= 0.8 * scenario.reference(well)


# --- The rate.


@given(
    st.floats(0.1, 1e6),
    st.lists(st.tuples(st.floats(0, 3), st.integers(1, 10_000)), min_size=1, max_size=50),
)
def test_in_any_part_of_time_no_more_than_the_rate_and_one_burst(
    per_second: float, asked: list[tuple[float, int]]
) -> None:
    rate, now = Rate(per_second), 0.0
    taken: list[tuple[float, int]] = []
    for passed, units in asked:
        now += passed
        now += rate.wait(now, units)
        assert rate.wait(now, units) == 0, "the wait it names is enough"
        rate.take(now, units)
        taken.append((now, units))

    for first, (begin, _) in enumerate(taken):
        for last in range(first, len(taken)):
            end = taken[last][0]
            units = [count for _, count in taken[first : last + 1]]
            allowed = per_second * (end - begin + 1e-5) + max(per_second, *units, 0)
            assert sum(units) <= allowed * (1 + 1e-9)


@given(st.floats(1, 1e5), st.integers(1, 5000))
def test_the_rate_is_used_to_the_full(per_second: float, units: int) -> None:
    rate, now = Rate(per_second), 0.0
    for _ in range(50):
        now += rate.wait(now, units)
        rate.take(now, units)

    assert 50 * units >= per_second * now * (1 - 1e-6)


# --- The breaker's table.


def test_from_every_state_of_the_breaker_there_is_a_way_to_every_other() -> None:
    for start in State:
        reached = {start}
        for _ in State:
            reached |= {end for (begin, _), end in TRANSITIONS.items() if begin in reached}
        assert reached == set(State)
