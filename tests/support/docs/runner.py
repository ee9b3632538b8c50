"""Runs a page from top to bottom, as a reader would: each block is run, parsed or compared.

The Python blocks of a page share a namespace; the shell blocks a folder, which is the page's working
directory. Every `env:NAME` and `os.environ["NAME"]` on the page has a made-up value.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from support.docs.compare import masked, matches_headers, mermaid_problem
from support.docs.pages import Block, Page
from support.docs.receivers import Receivers
from support.docs.shell import Shell
from vaulytica.auth import SCHEMES
from vaulytica.formats import FORMATS
from vaulytica.integrations.webhook import WebhookConfig, WebhookSender

USUAL_DATA = {
    "file_id": "abc123",
    "file_name": "sensitive.pdf",
    "owner": "user@example.com",
    "shared_with": "external@partner.com",
}
_VARIABLES = re.compile(r"env:([A-Z][A-Z0-9_]*)|environ\[\"([A-Z][A-Z0-9_]*)\"\]")


class Wrong(AssertionError):
    """A block does not do what the page says."""


class Runner:
    """One page's run; `namespace` is what its Python blocks have made so far."""

    def __init__(self, page: Page, receivers: Receivers, folder: Path) -> None:
        self.page = page
        self.receivers = receivers
        self.folder = folder / "page"
        self.folder.mkdir()
        self.namespace: dict[str, Any] = {"__name__": "__main__"}
        self.output = ""
        self._configured = False
        self._values = {name: f"fake-{name.lower()}" for name in self._variables()}
        self._shell = Shell(self.folder, folder / "bin", receivers.mapping(), self._values)

    def _variables(self) -> set[str]:
        return {a or b for a, b in _VARIABLES.findall(self.page.text)}

    def run(self) -> None:
        """All blocks, in order; raises `Wrong` at the first that is."""
        with self._as_working_directory(), contextlib.closing(self._shell):
            for block in self.page.blocks:
                try:
                    self.block(block)
                    if self.receivers.unused_answers():
                        raise Wrong("not all of the answers were asked for")
                except Exception as error:
                    where = self.page.where(block.line)
                    raise Wrong(f"{where}: {type(error).__name__}: {error}") from error
            if self._shell.is_busy:
                raise Wrong(f"{self.page!r}:0: a command in the background is never stopped")

    @contextlib.contextmanager
    def _as_working_directory(self) -> Iterator[None]:
        before, environment, modules = Path.cwd(), dict(os.environ), set(sys.modules)
        tables = [(table, dict(table.entries)) for table in (FORMATS, SCHEMES)]
        os.chdir(self.folder)
        sys.path.insert(0, str(self.folder))
        os.environ.update(self._values)
        try:
            yield
        finally:
            os.chdir(before)
            sys.path.remove(str(self.folder))
            os.environ.clear()
            os.environ.update(environment)
            for table, entries in tables:
                table.entries = entries
            for name in set(sys.modules) - modules:
                file = getattr(sys.modules[name], "__file__", None) or ""
                if file.startswith(str(self.folder)):
                    del sys.modules[name]

    def block(self, block: Block) -> None:
        """Run, parse or compare one block."""
        checks: dict[str, Callable[[Block], None]] = {
            "python": self._python,
            "sh": self._sh,
            "console": self._console,
            "json": self._json,
            "jsonl": self._json_lines,
            "yaml": self._yaml,
            "toml": self._toml,
            "jinja": self._jinja,
            "http": self._http,
            "text": self._text,
            "mermaid": self._mermaid,
        }
        if block.language not in checks:
            raise Wrong(f"nobody knows how to check a block of {block.language!r}")
        self.receivers.answer_next(block.directives.get("answers", ""))
        if (name := block.directives.get("file")) is not None:
            (self.folder / name).write_text(block.text, encoding="utf-8")
        checks[block.language](block)

    # --- What runs.

    def _python(self, block: Block) -> None:
        name = block.directives.get("file", "")
        if name:
            importlib.invalidate_caches()
            importlib.import_module(name.removesuffix(".py"))
            return
        config_before = self.namespace.get("config")
        source = "\n" * (block.line - 1) + block.text  # so that tracebacks name the page's lines
        code = compile(source, str(self.page.path), "exec", dont_inherit=True)
        captured = io.StringIO()
        expected = block.directives.get("raises")
        raised = None
        with contextlib.redirect_stdout(captured):
            try:
                exec(code, self.namespace)
            except Exception as error:
                if expected is None:
                    raise
                raised = error
        self.output = captured.getvalue()
        self._configured = self.namespace.get("config") is not config_before
        if expected is not None:
            if type(raised).__name__ != expected:
                raise Wrong(f"raised {raised!r}, not {expected}")
            self.output += f"{expected}: {raised}\n"

    def _sh(self, block: Block) -> None:
        if "background" in block.directives:
            self._shell.start(block.text)
            return
        self.output, code = self._shell.run(block.text)
        if code != int(block.directives.get("fails", 0)):
            raise Wrong(f"ended with {code}: {self.output[:4000]}")

    def _console(self, block: Block) -> None:
        script, expected = [], []
        for line in block.text.splitlines():
            is_command = line.startswith(("$ ", "> "))
            (script if is_command else expected).append(line[2:] if is_command else line)
        self._sh(Block("sh", "\n".join(script), block.line, block.directives))
        self._same_output("\n".join(expected))

    # --- What is compared.

    def _same_output(self, expected: str) -> None:
        if masked(expected) != masked(self.output):
            raise Wrong(f"the output is:\n{self.output[:4000]}")

    def _text(self, block: Block) -> None:
        if "stopped" in block.directives:
            self.output, code = self._shell.stop()
            self._same_output(block.text)
            if code != 0:
                raise Wrong(f"ended with {code}")
        elif "output" in block.directives:
            self._same_output(block.text)
        elif "illustration" not in block.directives and "file" not in block.directives:
            raise Wrong("a text block is an <!-- output --> or says why it is an illustration")

    def _sent(self, data: dict[str, Any]) -> Any:
        """What arrives when the page's last `config` is used for the page's usual event."""
        config = self.namespace.get("config")
        if not self._configured or not isinstance(config, WebhookConfig):
            raise Wrong("no config is made by the Python block before it")
        with WebhookSender(config) as sender:
            sender.send_event(
                "file_shared_externally", data, "warning", timestamp="2025-10-29T12:00:00Z"
            )
        return self.receivers.received[-1]

    def _http(self, block: Block) -> None:
        received = self._sent(USUAL_DATA)
        if problem := matches_headers(block.text, received.headers):
            raise Wrong(problem)

    def _json(self, block: Block) -> None:
        document = json.loads(block.text)
        if block.before.startswith("**Payload"):
            data = json.loads(block.directives.get("payload", json.dumps(USUAL_DATA)))
            body = json.loads(self._sent(data).body)
            if list(document.items()) != list(body.items()):
                raise Wrong(f"what is sent is {json.dumps(body, indent=2)}")

    # --- What is parsed.

    def _json_lines(self, block: Block) -> None:
        if not [json.loads(line) for line in block.text.splitlines()]:
            raise Wrong("no lines")

    def _yaml(self, block: Block) -> None:
        if not isinstance(yaml.safe_load(block.text), dict):
            raise Wrong("not a mapping")

    def _toml(self, block: Block) -> None:
        """Entry points are installed as well, so that the blocks after it find them."""
        groups = tomllib.loads(block.text).get("project", {}).get("entry-points", {})
        if not groups:
            return
        number = len(list(self.folder.glob("*.dist-info")))
        info = self.folder / f"docs_example_{number}-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: docs-example-{number}\nVersion: 1\n"
        )
        lines = [
            f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
            for group, entries in groups.items()
        ]
        (info / "entry_points.txt").write_text("\n".join(lines))
        importlib.invalidate_caches()

    def _jinja(self, block: Block) -> None:
        WebhookConfig(url="https://example.com/", format="custom", custom_template=block.text)

    def _mermaid(self, block: Block) -> None:
        if problem := mermaid_problem(block.text):
            raise Wrong(problem)
