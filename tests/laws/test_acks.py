"""Splunk's acknowledgement: what is delivered is indexed, whatever becomes of answers and cookies."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from support.heart import OwnClock
from support.laws import (
    Case,
    Told,
    accounted_for,
    cases,
    delivered_is_there,
    entry,
    send,
    uphold,
)
from support.ways import HEC_ACK

NUMBERS = st.frozensets(st.integers(1, 40), max_size=12)
INDEXING = {
    "indexers": st.integers(1, 3),
    "ack_after": st.sampled_from([0.0, 0.5, 8.0, 29.5, 100.0]),
    "ack_polls": st.integers(0, 3),
    "vanished": NUMBERS,
}


def acknowledged(
    case: Case,
    kind: str = "async",
    *,
    concurrency: int = 1,
    ordered: bool = False,
    moved: AbstractSet[int] = frozenset(),
    vanished: AbstractSet[int] = frozenset(),
    **receiving: Any,
) -> Told:
    """Send it; `moved` requests go to another indexer, `vanished` ones are lost before they are indexed."""
    clock = OwnClock()
    receiver = HEC_ACK.receiver(
        **case.faults(HEC_ACK),
        **receiving,
        move=moved.__contains__,
        unindexed=vanished.__contains__,
        clock=clock.monotonic,
    )
    pace = {"concurrency": concurrency, "ordered": ordered}
    return send(HEC_ACK, case, kind, clock=clock, receiver=receiver, settings=pace)


@settings(max_examples=100)
@given(case=cases(HEC_ACK), concurrency=st.integers(1, 3), indexing=st.fixed_dictionaries(INDEXING))
def test_what_is_delivered_is_indexed(
    case: Case, concurrency: int, indexing: dict[str, Any]
) -> None:
    uphold(acknowledged(case, concurrency=concurrency, **indexing))


@settings(max_examples=30)
@given(case=cases(HEC_ACK), indexing=st.fixed_dictionaries(INDEXING))
def test_with_threads_and_in_order(case: Case, indexing: dict[str, Any]) -> None:
    uphold(acknowledged(case, "sync", ordered=True, **indexing))


@settings(max_examples=60)
@given(
    case=cases(HEC_ACK),
    concurrency=st.integers(1, 3),
    moved=NUMBERS,
    indexing=st.fixed_dictionaries(INDEXING),
)
def test_a_balancer_that_moves_requests_may_double_but_not_lose(
    case: Case, concurrency: int, moved: frozenset[int], indexing: dict[str, Any]
) -> None:
    """As long as no answer is lost on top: an id that was never heard of may come from anywhere."""
    heard = {n: one for n, one in case.troubles.items() if one[0] in ("refuse", "cut")}
    case = replace(case, troubles=heard)
    told = acknowledged(case, concurrency=concurrency, moved=moved, **indexing)
    accounted_for(told)
    delivered_is_there(told)


def test_an_id_that_two_indexers_have_given_is_not_taken_from_the_other_one() -> None:
    """The poll for event 1, which was lost, is answered by the indexer that has the same id for 8."""
    case = Case(
        [entry(n) for n in range(9)],
        form="event",
        max_events=1,
        deferred={0: 1, 1: 1},
        troubles={2: ("lose", True), 4: ("refuse", 413), 5: ("refuse", 9)},
        max_retries=1,
        patience=0.0,
    )
    told = acknowledged(case, concurrency=3, indexers=2, moved={12, 19}, vanished={12})
    accounted_for(told)
    delivered_is_there(told)
