"""Where batches are cut: by number, by bytes, and by what a 413 teaches; and what travels compressed."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.laws import FORMS, Case, cases, entry, send, uphold
from support.ways import BATCHED, HEC, Way
from vaulytica.delivery.outcome import ReasonKind

SIZES = st.lists(st.sampled_from([0, 30, 100, 1000, 5000]), max_size=40)


def of_sizes(sizes: list[int]) -> list[dict[str, Any]]:
    return [entry(n, "x" * size) for n, size in enumerate(sizes)]


def count(body: bytes) -> int:
    """How many events a body holds."""
    return body.count(b'"n":')


@pytest.mark.parametrize("way", BATCHED, ids=repr)
@settings(max_examples=25)
@given(
    sizes=SIZES,
    form=st.sampled_from(FORMS),
    max_events=st.integers(1, 50),
    max_bytes=st.integers(1, 20_000),
)
def test_no_request_is_over_a_limit(
    way: Way, sizes: list[int], form: str, max_events: int, max_bytes: int
) -> None:
    told = send(way, Case(of_sizes(sizes), form, max_events, max_bytes))
    uphold(told)
    assert told.there == sorted(told.said("Delivered"))
    for request in told.wire.requests:
        assert 1 <= count(request.body) <= max_events
        assert len(request.body) <= max_bytes
    for before, after in zip(told.wire.requests, told.wire.requests[1:], strict=False):
        full = count(before.body) == max_events
        both = len(before.body) + len(after.body)  # and a byte between them
        assert full or both >= max_bytes, "fewer requests would have done"


@pytest.mark.parametrize("way", BATCHED, ids=repr)
@settings(max_examples=25)
@given(sizes=SIZES, form=st.sampled_from(FORMS), takes=st.integers(500, 8000))
def test_413_costs_only_what_is_too_large_by_itself(
    way: Way, sizes: list[int], form: str, takes: int
) -> None:
    told = send(way, Case(of_sizes(sizes), form, takes=takes))
    uphold(told)
    assert told.said("Deferred") == set()
    for result in told.results:
        if result.reason is not None:
            assert result.reason.kind is ReasonKind.TOO_LARGE
    alone = {n for n in told.said("Rejected") if sizes[n] < takes - 1000}
    assert alone == set(), "rejected, though they would fit"


@pytest.mark.parametrize("way", BATCHED, ids=repr)
def test_what_a_413_has_taught_is_kept(way: Way) -> None:
    told = send(way, Case(of_sizes([500] * 2000), takes=9000, max_events=200))
    uphold(told)
    assert told.report.complete
    sizes = [len(request.body) for request in told.wire.requests]
    later = sizes[len(sizes) // 2 :]  # not the batches that were ready by then
    assert max(later) <= 9000
    assert max(later) > 9000 / 2 - 1000, "no smaller than need be"


@settings(max_examples=40)
@given(case=cases(HEC), kind=st.sampled_from(["sync", "async"]))
def test_compressed_bodies_are_counted_as_they_are_unpacked(case: Case, kind: str) -> None:
    told = send(HEC, case, kind, settings={"compression": "gzip"})
    uphold(told)
    for request in told.wire.requests:
        assert ("Content-Encoding", "gzip") in request.headers
        assert len(gzip.decompress(request.body)) <= (case.max_bytes or 1_000_000)
