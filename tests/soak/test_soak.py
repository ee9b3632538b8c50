"""The soak itself works: a short one, in which the law holds."""

from __future__ import annotations

import pytest

from soak.run import soak


@pytest.mark.timeout(180)
def test_a_short_soak() -> None:
    figures = soak(10.0, 3, each=5.0)
    assert figures["events"] > 100
    assert figures["deliveries"] == 3 * figures["events"]
    assert figures["lost"] == 0
