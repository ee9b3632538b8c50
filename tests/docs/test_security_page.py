"""docs/SECURITY.md names tests: each of them exists, and no line of its tables is without one."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from fuzz.kept import TARGETS
from support.docs.pages import ROOT

PAGE = (ROOT / "docs/SECURITY.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")
CHECKED = PAGE.partition("## How It Is Checked")[2].partition("## Fuzzing")[0]
ROWS = [
    line
    for line in CHECKED.splitlines()
    if line.startswith("| ") and not line.endswith("| Test |") and not line.startswith("| ---")
]


@cache
def names_in(path: Path) -> set[str]:
    """The names of a file's tests, and of those that it runs under names of another file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


@pytest.mark.parametrize(("file", "name"), sorted(set(NAMED.findall(PAGE))))
def test_a_test_that_is_named_exists(file: str, name: str) -> None:
    path = ROOT / "tests" / file
    assert path.is_file(), f"no file tests/{file}"
    assert name.startswith("test_")
    assert name in names_in(path), f"no {name} in tests/{file}"


def test_every_line_names_a_test() -> None:
    assert len(ROWS) > 50
    assert [row for row in ROWS if not NAMED.search(row)] == []


def test_every_heading_of_what_will_be_tried_has_its_table() -> None:
    headings = re.findall(r"^### (.+)$", CHECKED, re.MULTILINE)
    assert headings == [
        "Where We Connect", "Redirects", "Headers", "Secrets", "Templates", "Answers", "TLS",
        "OAuth2", "A Storm", "The Intake", "The Receiving Side",
    ]  # fmt: skip
    for part in re.split(r"^### .+$", CHECKED, flags=re.MULTILINE)[1:]:
        assert NAMED.search(part)


def test_the_targets_are_those_there_are() -> None:
    table = PAGE.partition("## Fuzzing")[2]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(TARGETS)


def test_there_is_one_place_for_promises() -> None:
    reporting = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert "(docs/SECURITY.md)" in reporting
    assert "| Promise" not in reporting
