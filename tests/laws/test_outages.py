"""A destination that is away: borne as long as the patience lasts, at no event's cost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.heart import OwnClock
from support.laws import Case, Told, entry, send, uphold
from support.ways import ARRAY, BATCHED, HEC, Way

BEGINS = 0.015  # seconds: the first requests are answered before
COUNT = 40


def through_an_outage(way: Way, kind: str, outage: float, fault: Any, **settings: Any) -> Told:
    """Forty events, four in a request; from its beginning the destination is away for so long."""
    clock = OwnClock()
    begin = clock.now + BEGINS

    def is_away(now: float) -> bool:
        return begin <= now < begin + outage

    case = Case([entry(n) for n in range(COUNT)], max_events=4, patience=300.0)
    if fault == "unreachable":
        wire = {"cut": lambda n, now: is_away(now)}
        return send(way, case, kind, clock=clock, wire=wire, settings=settings)
    faults = {"refuse": lambda n: fault if is_away(clock.now) else None}
    receiver = way.receiver(**(case.faults(way) | faults))
    return send(way, case, kind, clock=clock, receiver=receiver, settings=settings)


@pytest.mark.parametrize("way", BATCHED, ids=repr)
@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("fault", ["unreachable", 503, 500, 429])
def test_what_is_shorter_than_the_patience_costs_no_event(way: Way, kind: str, fault: Any) -> None:
    told = through_an_outage(way, kind, 250.0, fault)
    uphold(told)
    assert told.report.complete
    assert len(told.there) == COUNT
    if fault != 429:  # with which Datadog says how soon to ask again
        assert len(told.wire.requests) < COUNT, "it asks again less and less often"


@settings(max_examples=20)
@given(outage=st.floats(0.0, 2000.0), concurrency=st.integers(1, 4), ordered=st.booleans())
def test_longer_ones_end_in_events_that_are_given_up_but_counted(
    outage: float, concurrency: int, ordered: bool
) -> None:
    pace = {"concurrency": concurrency, "ordered": ordered}
    told = through_an_outage(ARRAY, "async", outage, "unreachable", **pace)
    uphold(told)
    assert told.report.complete or outage > 250.0
    assert not told.report.complete or outage < 350.0


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_the_patience_is_named_where_it_has_ended(kind: str) -> None:
    told = through_an_outage(HEC, kind, 10_000.0, "unreachable")
    uphold(told)
    assert 0 < told.report < COUNT
    assert "busy or down for 302 s" in told.texts[0]
