"""A page of documentation, read into what can be checked: fenced blocks, links, anchors, paths.

An HTML comment right before a block says what is special about it. The known ones:

    <!-- file: NAME -->        the block is written to this file; a .py file is imported as well
    <!-- raises: ERROR -->     the Python block must raise this error
    <!-- fails: N -->          the shell block must end with this exit code
    <!-- answers: 503, 200 --> what the receiver answers next; words after a status are the body
    <!-- output -->            the text block is what the block before it printed
    <!-- payload: JSON -->     the event data to send, where a payload is not that of the usual event
    <!-- background -->        the command runs on while the next blocks are, until Ctrl-C:
    <!-- stopped -->           the text block is all that the command in the background printed
    <!-- illustration: WHY --> the text block is a drawing or a list that no program can check
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[3]
DIRECTIVES = frozenset(
    {
        "file", "raises", "fails", "answers", "output", "payload", "background", "stopped",
        "illustration",
    }
)  # fmt: skip
_COMMENT = re.compile(r"<!--\s*(\w+)(?::\s*(.*?))?\s*-->", re.DOTALL)
_REPOSITORY_PATH = re.compile(
    r"(?:src|tests|docs|tools|bench|requirements|delivery|formats|auth|transport|receiving|cli)/"
    r"[\w./-]*"
)


@dataclass(frozen=True)
class Block:
    """A fenced block. `line` is that of its first line of text; `before` the paragraph before it."""

    language: str
    text: str
    line: int
    directives: dict[str, str] = field(default_factory=dict)
    before: str = ""


@dataclass(frozen=True)
class Link:
    """A link's target as written."""

    target: str
    line: int


class Page:
    """One Markdown file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text(encoding="utf-8")
        self.blocks: list[Block] = []
        self.links: list[Link] = []
        self.anchors: set[str] = set()
        self.paths: list[Link] = []
        self.problems: list[str] = []
        self._read()

    def __repr__(self) -> str:
        inside = self.path.is_relative_to(ROOT)
        return str(self.path.relative_to(ROOT)) if inside else self.path.name

    def where(self, line: int) -> str:
        """For messages."""
        return f"{self!r}:{line}"

    def _read(self) -> None:
        slugs: Counter[str] = Counter()
        comments: list[tuple[str, str, int]] = []
        before, line, in_heading = "", 0, False
        for token in MarkdownIt("commonmark").enable("table").parse(self.text):
            line = token.map[0] + 1 if token.map else line
            if token.type == "html_block":
                comments += [(m[1], m[2] or "", line) for m in _COMMENT.finditer(token.content)]
            elif token.type in ("fence", "code_block"):
                self._add_block(token.info.strip(), token.content, line + 1, comments, before)
                comments, before = [], ""
            elif token.type == "inline":
                if in_heading:
                    self._add_anchor(token.content, slugs)
                before = token.content
                self._add_inline(token.children or [], line)
            in_heading = token.type == "heading_open"
            if comments and token.type != "html_block":
                self._stray(comments)
                comments = []
        self._stray(comments)

    def _stray(self, comments: list[tuple[str, str, int]]) -> None:
        self.problems += [
            f"{self.where(line)}: <!-- {name} --> stands before no block"
            for name, _, line in comments
            if name in DIRECTIVES
        ]

    def _add_block(
        self,
        language: str,
        text: str,
        line: int,
        comments: list[tuple[str, str, int]],
        before: str,
    ) -> None:
        for name, _, at in comments:
            if name not in DIRECTIVES:
                self.problems.append(f"{self.where(at)}: <!-- {name} --> is no known directive")
        if not language:
            self.problems.append(f"{self.where(line)}: the block has no language")
        directives = {name: value for name, value, _ in comments}
        self.blocks.append(Block(language, text, line, directives, before))

    def _add_anchor(self, heading: str, slugs: Counter[str]) -> None:
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).strip().replace(" ", "-")
        self.anchors.add(f"{slug}-{slugs[slug]}" if slugs[slug] else slug)
        slugs[slug] += 1

    def _add_inline(self, children: list, line: int) -> None:
        for child in children:
            if child.type == "link_open":
                self.links.append(Link(child.attrs["href"], line))
            elif child.type == "image":
                self.links.append(Link(child.attrs["src"], line))
            elif child.type == "code_inline" and _REPOSITORY_PATH.fullmatch(child.content):
                self.paths.append(Link(child.content, line))


def broken_links(page: Page) -> Iterator[str]:
    """Relative links whose file or anchor is not there. Links to other sites are not followed."""
    for link in page.links:
        target, _, anchor = link.target.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        file = (page.path.parent / target).resolve() if target else page.path
        if not file.exists():
            yield f"{page.where(link.line)}: no file {target}"
        elif anchor and anchor not in (page if file == page.path else Page(file)).anchors:
            yield f"{page.where(link.line)}: no heading #{anchor} in {file.name}"


def broken_paths(page: Page) -> Iterator[str]:
    """Paths written as code, such as `delivery/flow.py`, that are in neither the checkout nor the package."""
    for path in page.paths:
        if not any((base / path.target).exists() for base in (ROOT, ROOT / "src/vaulytica")):
            yield f"{page.where(path.line)}: no file {path.target}"


def all_pages() -> list[Page]:
    """README, docs/ and the other Markdown files of the checkout's root."""
    return [Page(path) for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])]
