"""A clock for secrets by reference, and files of secrets that change."""

from __future__ import annotations

from pathlib import Path

import pytest

from vaulytica.secrets import reference

OLD, NEW = "old-fake-secret", "new-fake-secret"


class Time:
    """Stands in for the module `time` of the references."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    clock = Time()
    monkeypatch.setattr(reference, "time", clock)
    return clock


def replace(path: Path, text: str) -> None:
    """As programs that hand out secrets do: a new file takes the place of the old one."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)
