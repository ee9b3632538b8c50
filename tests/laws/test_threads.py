"""Several threads at a time: which meets which fault is chance, and the truth is told all the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.laws import cases, send, uphold
from support.ways import BATCHED, Way


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("way", BATCHED, ids=repr)
@settings(max_examples=12)
@given(data=st.data())
def test_four_at_a_time(data: Any, way: Way, kind: str) -> None:
    case = data.draw(cases(way))
    uphold(send(way, case, kind, settings={"concurrency": 4}))
