"""The fixtures that these tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.intake import Intake, intake


@pytest.fixture
def relay_in(tmp_path: Path) -> Iterator[Intake]:
    """An intake with the usual settings and one token."""
    with intake(tmp_path) as made:
        yield made
