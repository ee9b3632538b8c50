"""The documents are complete: nothing that exists is left out, nothing that does not is named."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

import typer

from support.docs.pages import ROOT, all_pages
from vaulytica import __version__
from vaulytica.cli.app import made
from vaulytica.delivery.run import DownDetector
from vaulytica.formats.templating import bounds
from vaulytica.integrations.webhook import (
    WebhookAuth,
    WebhookConfig,
    WebhookError,
    WebhookRetryConfig,
)

PACKAGE = ROOT / "src" / "vaulytica"

# Blocks that no program can check, each with its reason. A new one has to be put here on purpose.
ILLUSTRATIONS = {
    ("README.md", "the last line of a real run, for the tests cannot run themselves"),
    ("README.md", "one run of the demo, whose figures differ a little from run to run"),
    (
        "docs/RELIABILITY.md",
        "figures of one run of the kill tests, which differ from run to run",
    ),
    ("docs/RELIABILITY.md", "figures of one run of the soak"),
}


def test_the_blocks_nobody_can_check_are_these() -> None:
    found = {
        (repr(page), block.directives["illustration"])
        for page in all_pages()
        for block in page.blocks
        if "illustration" in block.directives
    }

    assert found == ILLUSTRATIONS


def test_the_floors_are_those_that_import_linter_holds() -> None:
    text = read("pyproject.toml")
    contracts = tomllib.loads(text)["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    table = read("docs/ARCHITECTURE.md").partition("| Floor |")[2].partition("```")[0]
    rows = re.findall(r"^\| (`[a-z`, ]+`) \|", table, re.MULTILINE)

    assert [set(re.findall(r"\w+", row)) for row in rows] == [
        set(re.findall(r"\w+", layer)) for layer in layers
    ]


def test_the_picture_of_the_floors_shows_imports_that_there_are() -> None:
    picture = read("docs/ARCHITECTURE.md").partition("flowchart TD\n")[2].partition("```")[0]
    arrows = re.findall(r"(\w+)(?:\[\w+\])? --> (\w+)", picture)

    assert len(arrows) == picture.count("-->") > 20
    assert [arrow for arrow in arrows if not any(map(imported(arrow[1]), sources(arrow[0])))] == []


def sources(floor: str) -> list[str]:
    """The code of a floor, which is a package or a module."""
    found = [PACKAGE / f"{floor}.py", *(PACKAGE / floor).rglob("*.py")]
    return [path.read_text() for path in found if path.exists()]


def imported(floor: str) -> Callable[[str], object]:
    return re.compile(rf"^ *from vaulytica\.{floor}\b", re.MULTILINE).search


def test_every_decision_is_listed() -> None:
    pages = [path.name for path in sorted((ROOT / "docs/adr").glob("0*.md"))]

    for page, folder in (("docs/adr/README.md", ""), ("docs/ARCHITECTURE.md", "adr/")):
        assert re.findall(rf"\({folder}(0\d+-[\w-]+\.md)\)", read(page)) == pages


def test_the_guide_names_every_setting() -> None:
    guide = read("docs/WEBHOOK_GUIDE.md")
    models = (WebhookConfig, WebhookAuth, WebhookRetryConfig)

    missing = [name for model in models for name in model.model_fields if name not in guide]

    assert missing == []


def test_the_guide_names_every_kind_of_error() -> None:
    guide = read("docs/WEBHOOK_GUIDE.md")
    kinds = [
        kind
        for kind in WebhookError.__subclasses__()
        if not kind.__module__.startswith("vaulytica.relay")
    ]

    assert len(kinds) >= 6
    assert [kind for kind in kinds if f"| `{kind.__name__}` |" not in guide] == []
    assert [kind.kind for kind in kinds if f"`{kind.kind}`" not in guide] == []


def test_the_guide_says_when_a_batch_stops_early() -> None:
    words = {3: "three"}

    assert f"{words[DownDetector.AFTER]} events in a row" in read("docs/WEBHOOK_GUIDE.md")


def test_the_guide_says_how_templates_are_bounded() -> None:
    turns, size = (f"{limit:,}".replace(",", " ") for limit in (bounds.MAX_TURNS, bounds.MAX_SIZE))

    assert (
        f"One rendering may take {bounds.MAX_SECONDS:g} second of its thread's CPU time, "
        f"{turns} turns of loops and calls, and values of {size} characters and items each."
    ) in read("docs/WEBHOOK_GUIDE.md")


def test_every_command_and_option_is_on_the_page_of_the_command_line() -> None:
    page = read("docs/CLI.md")
    for command, forms in options():
        assert f"# `vaulytica {command}`" in page
        assert any(re.search(rf"{form}\b(?!-)", page) for form in forms), (command, forms)


def test_the_page_of_the_command_line_names_no_option_that_is_not_there() -> None:
    known = {form for _, forms in options() for form in forms} | {"--version", "--help"}

    named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", read("docs/CLI.md")))

    assert named <= known


def test_the_changelog_has_this_version() -> None:
    assert f"## [{__version__}]" in read("CHANGELOG.md")


def options() -> Iterator[tuple[str, list[str]]]:
    """Every option of every command, with all forms of its name."""
    for name, command in commands(typer.main.get_command(made())):
        for parameter in command.params:
            forms = [
                form for form in (*parameter.opts, *parameter.secondary_opts) if form[:2] == "--"
            ]
            if forms and forms != ["--help"]:
                yield name, forms


def commands(group: Any) -> Iterator[tuple[str, Any]]:
    """Every command, also those of groups, by all of its words."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from ((f"{name} {inner}", one) for inner, one in commands(command))
        else:
            yield name, command


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")
