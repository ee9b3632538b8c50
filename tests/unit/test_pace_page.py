"""docs/PACE.md says what the code does, and its pictures are what `python tools/pace_plots.py` draws."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree as ET

import msgspec
import pytest

from support.simulation import scenarios
from vaulytica.delivery.breaker import TRANSITIONS
from vaulytica.delivery.pace import Heard, PaceSettings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/PACE.md").read_text(encoding="utf-8")


@pytest.fixture
def plots(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    return importlib.import_module("pace_plots")


def test_the_pictures_are_what_the_command_draws(plots: ModuleType) -> None:
    there = {path.name: path.read_text(encoding="utf-8") for path in plots.TARGET.glob("*")}

    assert there == plots.render()


def test_the_command_writes_them_and_can_tell_old_ones(
    plots: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plots, "TARGET", tmp_path)
    codes = []
    for arguments in (["--check"], [], ["--check"]):
        monkeypatch.setattr(sys, "argv", ["pace_plots.py", *arguments])
        codes.append(plots.main())

    assert codes == [1, 0, 0]


def test_every_picture_is_well_formed_and_readable_in_the_dark(plots: ModuleType) -> None:
    for picture in plots.render().values():
        root = ET.fromstring(picture)
        assert root.tag.endswith("svg")
        assert "prefers-color-scheme: dark" in picture


def test_every_scenario_is_on_the_page_by_its_title() -> None:
    for scenario in scenarios():
        assert f"(pace/{scenario.name}.svg)" in PAGE
        assert f"### {scenario.title}".lower() in PAGE.lower()


def test_the_diagram_is_the_breaker_s_table() -> None:
    diagram = PAGE.partition("stateDiagram-v2")[2].partition("```")[0]
    drawn = re.findall(r"^  (\w+) --> (\w+) : (.+)$", diagram, re.MULTILINE)

    assert sorted(drawn) == sorted(
        (str(begin), str(end), str(event)) for (begin, event), end in TRANSITIONS.items()
    )


def test_the_settings_are_those_of_the_code() -> None:
    table = PAGE.partition("## Settings")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\w.]+) \|", table, re.MULTILINE))

    assert rows == {
        field.name: "none" if field.default is None else f"{field.default:g}"
        for field in msgspec.structs.fields(PaceSettings)
    }


def test_everything_that_can_be_heard_is_on_the_page() -> None:
    table = PAGE.partition("## What the Destination Says")[2].partition("\n## ")[0]

    assert set(re.findall(r"^\| (\w+)[ ,]", table, re.MULTILINE)) - {"Heard"} == set(Heard)
