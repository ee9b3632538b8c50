"""In order: at the receiver events stand as in the source, and nothing overtakes one that is deferred."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.laws import Told, cases, send, uphold
from support.ways import BULKS, WAYS, Way


def in_order(data: Any, way: Way) -> Told:
    case = data.draw(cases(way))
    if way in BULKS:  # what is deferred in a bulk is overtaken there, by those beside it
        case = replace(case, deferred={})
    kind = data.draw(st.sampled_from(["sync", "async"]))
    if data.draw(st.booleans()):
        return send(way, case, kind, settings={"concurrency": 4}, ordered=True)
    return send(way, case, kind, how="batch", settings={"concurrency": 4, "ordered": True})


@pytest.mark.parametrize("way", WAYS, ids=repr)
@settings(max_examples=25)
@given(data=st.data())
def test_events_arrive_in_the_order_of_the_source(data: Any, way: Way) -> None:
    told = in_order(data, way)
    uphold(told)
    arrived = list(dict.fromkeys(told.there))
    assert arrived == sorted(arrived)
    last = min(told.said("Deferred"), default=len(told.case.entries))
    assert all(number < last for number in told.said("Delivered"))
