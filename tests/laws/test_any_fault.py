"""Whatever goes wrong, the truth is told of every event: for each format, sync and async."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.laws import cases, send, uphold
from support.ways import WAYS, Way

pytestmark = pytest.mark.parametrize("way", WAYS, ids=repr)
KINDS = st.sampled_from(["sync", "async"])
HOWS = st.sampled_from(["batch", "stream"])


@settings(max_examples=40)
@given(data=st.data(), kind=KINDS, how=HOWS)
def test_whatever_goes_wrong_the_truth_is_told(data: Any, kind: str, how: str, way: Way) -> None:
    uphold(send(way, data.draw(cases(way)), kind, how=how))


@settings(max_examples=20)
@given(data=st.data(), kind=KINDS, how=HOWS)
def test_where_only_events_are_at_fault_all_others_arrive_once(
    data: Any, kind: str, how: str, way: Way
) -> None:
    case = data.draw(cases(way))
    once = dict.fromkeys(case.deferred, 1)
    patient = replace(case, deferred=once, max_retries=3, patience=300.0, deadline=None)
    told = send(way, replace(patient, troubles={}, takes=None, max_bytes=None), kind, how=how)
    uphold(told)
    unfit = {n for n, entry in enumerate(case.entries) if "type" not in entry}
    fit = set(range(len(case.entries))) - unfit
    assert told.said("Rejected") == unfit | (case.rejected & fit)
    assert sorted(told.there) == sorted(fit - case.rejected)
