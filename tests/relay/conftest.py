"""The fixtures that these tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.intake import Intake, intake
from support.outbox import the_law
from support.sources import store


@pytest.fixture
def relay_in(tmp_path: Path) -> Iterator[Intake]:
    """An intake with the usual settings and one token."""
    with intake(tmp_path) as made:
        yield made


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[Intake]:
    """What stands behind a source: an outbox, for which the law holds when the test is over."""
    made = store(tmp_path)
    yield made
    the_law(made.outbox)
    made.outbox.close()
