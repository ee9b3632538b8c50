"""A reader of the guide: runs its Python blocks in order, in one namespace, just as they are written."""

from __future__ import annotations

import contextlib
import io
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vaulytica.integrations.webhook import WebhookFormat
from vaulytica.receiving.receiver import Received

ORIGINAL = Path(__file__).parents[3] / "shared/seed/WEBHOOK_GUIDE.md"
BLOCKS = Path(__file__).parents[1] / "guide/blocks.md"
_BLOCK = re.compile(
    r"^#+ (?P<section>[^\n]+)$|^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass
class Block:
    """A fenced block under its section's heading; when it has run, what came of it."""

    section: str
    language: str
    text: str
    made: dict[str, Any] = field(default_factory=dict)
    output: str = ""
    received: list[Received] = field(default_factory=list)


def blocks_of(path: Path) -> list[Block]:
    """All blocks of a Markdown file."""
    section, blocks = "", []
    for match in _BLOCK.finditer(path.read_text(encoding="utf-8")):
        if match["section"] is not None:
            section = match["section"]
        else:
            blocks.append(Block(section, match["language"], match["text"]))
    return blocks


class Reading:
    """What a reader has before them when they have run every block."""

    def __init__(self, path: Path, received: list[Received]) -> None:
        self.blocks = blocks_of(path)
        # The guide uses WebhookFormat from Example 1 on, and imports it nowhere: its readers have to.
        namespace: dict[str, Any] = {"__name__": "__main__", "WebhookFormat": WebhookFormat}
        for block in self.blocks:
            if block.language != "python":
                continue
            begin, output = len(received), io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile(block.text, block.section, "exec", dont_inherit=True), namespace)
            block.made = dict(namespace)
            block.output = output.getvalue()
            block.received = received[begin:]

    def block(self, section: str, language: str = "python") -> Block:
        """The first block of that language under the heading."""
        return next(b for b in self.blocks if (b.section, b.language) == (section, language))
