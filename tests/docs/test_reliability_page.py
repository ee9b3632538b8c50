"""docs/RELIABILITY.md tells of the tests as they are."""

from __future__ import annotations

import json
import re

import pytest

from support.docs.pages import ROOT

PAGE = (ROOT / "docs/RELIABILITY.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("file", sorted(set(re.findall(r"`(tests/[\w/]+\.py)", PAGE))))
def test_a_file_that_is_named_exists(file: str) -> None:
    assert (ROOT / file).is_file()


def kills(file: str) -> dict[str, int]:
    text = (ROOT / file).read_text(encoding="utf-8")
    found = re.search(r"^KILLS = (\{.*?\})", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    return {name: int(count) for name, count in re.findall(r'"(\w+)": (\d+)', found[1])}


def test_the_kills_of_the_relay_are_those_that_are_made() -> None:
    table = {
        name: int(count)
        for name, count in re.findall(r"^\| `(\w+)` \| (\d+) \|", PAGE, re.MULTILINE)
    }
    assert table == kills("tests/relay/test_kills.py")
    assert f"with -9, {sum(table.values())} times in each run of the tests" in PAGE
    shown = [json.loads(line) for line in PAGE.splitlines() if line.startswith('{"while"')]
    assert {one["while"]: one["kills"] for one in shown} == table
    assert all(one["lost"] == 0 for one in shown)
