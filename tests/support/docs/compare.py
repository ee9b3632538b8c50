"""What is the same although it is never quite the same: outputs, headers, and the shape of diagrams."""

from __future__ import annotations

import re
from collections.abc import Iterable

# What differs from run to run, and what it is replaced by before outputs are compared.
_MASKS = (
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID"),
    (r"\b[0-9a-f]{64}\b", "HEX"),
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"),
    (r"\b\d\d:\d\d:\d\d\b", "TIME"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
    (r"ends in \d+ days", "ends in N days"),
    (r"\d+(\.\d+)? (ms|s)\b", "T"),
    (r'"seconds": [\d.]+', '"seconds": T'),
    (r"[\d.]+ MiB in its log", "N MiB in its log"),
    (r"[ \t]+", " "),
    (r"[─━═]+", "─"),
    (r" *\n", "\n"),
)


def masked(text: str) -> str:
    """The text without what differs from run to run."""
    for pattern, replacement in _MASKS:
        text = re.sub(pattern, replacement, text)
    return text.strip()


def matches_headers(expected: str, headers: Iterable[tuple[str, str]]) -> str | None:
    """What is wrong with the headers, if anything; `<…>` in an expected value stands for any text."""
    received = {name.lower(): value for name, value in headers}
    for line in expected.strip().splitlines():
        name, _, value = line.partition(": ")
        pattern = ".+".join(map(re.escape, re.split(r"<[^>]+>", value)))
        if not re.fullmatch(pattern, received.get(name.lower(), "")):
            return f"header {name} is {received.get(name.lower())!r}"
    return None


_DIAGRAMS = {
    "flowchart": re.compile(
        r"subgraph .+|end|direction (TB|TD|LR|RL|BT)|style .+|classDef .+|class .+|"
        r"\w+(\[.+\]|\(.+\)|\{.+\})?(\s*(-->|-.->|==>|---)(\|[^|]+\|)?\s*\w+(\[.+\]|\(.+\)|\{.+\})?)*"
    ),
    "sequenceDiagram": re.compile(
        r"(participant|actor) \w+( as .+)?|(loop|alt|opt|else|note|Note|par|and|rect).*|end|"
        r"\w+(->>|-->>|->|-->|-x|--x)[+-]?\w+: .+|autonumber"
    ),
    "stateDiagram-v2": re.compile(r"(\[\*\]|\w+) --> (\[\*\]|\w+)( ?: .+)?|state .+|\}|\w+ : .+"),
}


def mermaid_problem(text: str) -> str | None:
    """What is wrong with the diagram's shape, if anything: its kind, a line, or an open block."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    kind = lines[0].split()[0] if lines else ""
    if kind not in _DIAGRAMS:
        return f"{kind!r} is none of the diagrams {', '.join(_DIAGRAMS)}"
    for line in lines[1:]:
        if not _DIAGRAMS[kind].fullmatch(line):
            return f"not a line of a {kind}: {line}"
        for left, right in ("[]", "()", "{}"):
            if kind == "flowchart" and line.count(left) != line.count(right):
                return f"unbalanced {left}{right}: {line}"
    opened = sum(bool(re.match(r"(subgraph|loop|alt|opt|par|rect)\b", line)) for line in lines)
    if opened != lines.count("end"):
        return f"{opened} blocks are opened, {lines.count('end')} are ended"
    return None
