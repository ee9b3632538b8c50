"""Whatever goes wrong, the truth is told of every event: for each format, sync and async."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.laws import Case, batches, cases, send, uphold
from support.ways import WAYS, Way

pytestmark = pytest.mark.parametrize("way", WAYS, ids=repr)


@settings(max_examples=40)
@given(data=st.data(), kind=st.sampled_from(["sync", "async"]), how=st.sampled_from(["batch", "stream"]))
def test_whatever_goes_wrong_the_truth_is_told(data: Any, kind: str, how: str, way: Way) -> None:
    uphold(send(way, data.draw(cases(way)), kind, how=how))
