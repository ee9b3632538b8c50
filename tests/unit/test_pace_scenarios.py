"""Every scenario in tests/scenarios keeps its laws, and the simulation itself can be trusted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from support.simulation import Phase, Scenario, SimulatedDestination, Simulation, scenarios
from vaulytica.delivery.pace import Heard, PaceSettings

ALL = scenarios()
NAMES = {"steady", "slowdown", "outage", "flapping", "rate-limited", "one-slow-in-ten"}


def scenario(*phases: Phase, seconds: float = 60, workers: int = 8, **pace: float) -> Scenario:
    settings = PaceSettings(**({"concurrency": workers} | pace))
    return Scenario("own", "", "", seconds, workers, settings, phases, {"delivered_share": 0})


@pytest.mark.parametrize("one", ALL, ids=[one.name for one in ALL])
def test_the_scenario_keeps_its_laws(one: Scenario) -> None:
    simulation = Simulation(one).run()

    assert list(simulation.broken_laws()) == []
    assert simulation.most_in_flight <= one.pace.concurrency


def test_the_usual_troubles_are_all_there() -> None:
    assert {one.name for one in ALL} >= NAMES


def test_a_simulation_is_the_same_each_time() -> None:
    one = next(one for one in ALL if one.name == "flapping")
    first, second = Simulation(one).run(), Simulation(one).run()

    assert (first.delivered, first.limits, first.states) == (
        second.delivered,
        second.limits,
        second.states,
    )


def test_laws_can_be_broken() -> None:
    down = scenario(Phase(0), Phase(10, answer="failed"), Phase(12), seconds=20)
    down = replace(down, laws={"delivered_share": 1.0, "back_within": 0, "wasted": 0, "charged": 0})
    broken = " ".join(Simulation(down).run().broken_laws())

    assert "of what was possible" in broken
    assert "is not back" in broken
    assert "wasted" in broken
    assert "charged" in broken


def test_a_destination_serves_so_many_at_a_time_and_the_others_queue() -> None:
    destination = SimulatedDestination(scenario(Phase(0, latency=0.1, slots=2)))

    ends = [destination.receive(0.0)[0] for _ in range(5)]
    assert ends == pytest.approx([0.1, 0.1, 0.2, 0.2, 0.3])
    assert destination.receive(1.0)[0] == pytest.approx(1.1)


def test_a_rate_limited_destination_counts_in_windows() -> None:
    destination = SimulatedDestination(scenario(Phase(0, rate=2, window=10, asks=True)))
    answers = [destination.receive(4.0) for _ in range(21)]

    assert [heard for _, heard, _ in answers] == [Heard.WELL] * 20 + [Heard.BUSY]
    assert answers[-1][2] == pytest.approx(6)
    assert destination.receive(10.0)[1] is Heard.WELL


@pytest.mark.parametrize("workers", [8, 32])
@pytest.mark.parametrize("asks", [True, False])
def test_no_event_is_given_up_because_the_destination_limits_the_rate(
    workers: int, asks: bool
) -> None:
    simulation = Simulation(scenario(Phase(0, rate=10, asks=asks), workers=workers)).run()

    assert simulation.given_up == 0
    assert simulation.rate(0, 60) >= 9


@pytest.mark.parametrize("answer", ["failed", "busy", "unreached", "timeout"])
def test_no_event_is_given_up_in_an_outage_of_ten_minutes(answer: str) -> None:
    phases = (Phase(0), Phase(10, answer=answer), Phase(610))
    simulation = Simulation(scenario(*phases, seconds=660)).run()

    assert simulation.given_up == 0
    assert simulation.charged <= 8
    assert simulation.wasted <= 60
    assert simulation.rate(650, 660) >= 0.8 * 160


def test_with_one_in_flight_a_breaker_that_opens_early_keeps_every_event_through_an_outage() -> (
    None
):
    phases = (Phase(0), Phase(10, answer="failed"), Phase(310))

    def given_up(**pace: float) -> int:
        return Simulation(scenario(*phases, seconds=400, workers=1, **pace)).run().given_up

    assert given_up(open_after=2) == 0
    assert given_up() == 1, "nothing tells the batch's own fault from the destination's"


def test_our_own_rate_limit_is_kept_and_used() -> None:
    simulation = Simulation(scenario(Phase(0), events_per_second=20_000)).run()

    assert 20 * 60 <= len(simulation.delivered) <= 20 * 61
    assert simulation.wasted == 0


def test_many_workers_do_not_pile_upon_a_destination_that_has_become_slow() -> None:
    phases = (Phase(0, slots=64), Phase(20, slots=2), Phase(60, slots=64))
    one = scenario(*phases, seconds=80, workers=64)
    simulation = Simulation(one).run()
    limits = [limit for time, limit in simulation.limits if 35 <= time < 60]

    assert max(limits) <= 24
    assert len(simulation.delivered) >= 0.9 * one.capacity()
