"""docs/API_REFERENCE.md is what `python tools/api_reference.py` writes, and leaves nothing public out."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

from support.docs.pages import ROOT, Page
from vaulytica.integrations import webhook

PAGE = ROOT / "docs/API_REFERENCE.md"


@pytest.fixture
def generator(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    return importlib.import_module("api_reference")


def test_page_is_what_the_command_writes(
    generator: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generator, "TARGET", tmp_path / "written.md")
    monkeypatch.setattr(sys, "argv", ["api_reference.py"])

    assert generator.main() == 0
    assert (tmp_path / "written.md").read_text(encoding="utf-8") == PAGE.read_text(encoding="utf-8")


def test_check_tells_an_old_page_from_a_right_one(
    generator: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(generator, "TARGET", tmp_path / "written.md")
    monkeypatch.setattr(sys, "argv", ["api_reference.py", "--check"])
    missing = generator.main()
    generator.TARGET.write_text("old", encoding="utf-8")
    old = generator.main()
    generator.TARGET.write_text(generator.render(), encoding="utf-8")

    assert (missing, old, generator.main()) == (1, 1, 0)


def test_every_public_name_has_an_entry() -> None:
    assert {*webhook.__all__, "Format", "Auth"} <= public_names()


def test_no_default_shows_an_address_or_a_path_of_this_machine() -> None:
    text = PAGE.read_text(encoding="utf-8")

    assert " at 0x" not in text
    assert str(ROOT) not in text
    assert "site-packages" not in text


def public_names() -> set[str]:
    text = Page(PAGE).text
    return {line.strip("#` ") for line in text.splitlines() if line.startswith("### ")}
