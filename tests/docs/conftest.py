"""Fixtures for the tests of the documents."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.docs.pages import Page
from support.docs.receivers import Receivers
from support.docs.runner import Runner

_HOSTS = re.compile(r"https://([a-z0-9.-]+[a-z])[:/\"\s]")
USUAL_HOSTS = {"your-siem.example.com", "api.example.com", "auth.example.com"}


@pytest.fixture
def run_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Page], Runner]]:
    """Runs a page whose hosts all lead to two receivers here; gives the runner afterwards."""
    open_receivers: list[Receivers] = []

    def run(page: Page) -> Runner:
        names = sorted(USUAL_HOSTS | set(_HOSTS.findall(page.text)))
        receivers = Receivers(tmp_path, names)
        open_receivers.append(receivers)
        receivers.mapping().apply(monkeypatch.setattr)
        runner = Runner(page, receivers, tmp_path)
        runner.run()
        return runner

    yield run
    for receivers in open_receivers:
        receivers.__exit__()


@pytest.fixture
def write_page(tmp_path: Path) -> Callable[[str], Page]:
    """A page made of this text."""

    def write(text: str) -> Page:
        path = tmp_path / "page.md"
        path.write_text(text, encoding="utf-8")
        return Page(path)

    return write
