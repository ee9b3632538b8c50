"""The guide's hosts, all of which lead to one receiver on this machine."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from support.docs.receivers import Receivers
from support.reader import BLOCKS, Reading


@pytest.fixture(scope="module")
def receivers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receivers]:
    """Every host of the guide, with a certificate for its name, at whichever port."""
    hosts = set(re.findall(r"https://([a-z0-9.-]+)", BLOCKS.read_text(encoding="utf-8")))
    with (
        Receivers(tmp_path_factory.mktemp("guide"), sorted(hosts)) as receivers,
        pytest.MonkeyPatch.context() as patch,
    ):
        receivers.mapping().apply(patch.setattr)
        yield receivers


@pytest.fixture(scope="module")
def reading(receivers: Receivers) -> Reading:
    """All blocks, run in order: our own copy of them."""
    return Reading(BLOCKS, receivers.received)
