"""The targets, and their kept inputs: `corpus/<target>.txt`, one Python bytes literal a line."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).parent
TARGETS = (
    "answers",
    "confirmations",
    "tokens",
    "templates",
    "signatures",
    "urls",
    "configs",
    "intakes",
)


def target_of(name: str) -> Callable[[bytes], None]:
    """The target: it takes any bytes, and raises where a law does not hold."""
    target: Callable[[bytes], None] = import_module(f"fuzz.{name}").target
    return target


def kept(name: str) -> list[bytes]:
    """The inputs that are kept for a target."""
    lines = (HERE / "corpus" / f"{name}.txt").read_text(encoding="ascii").splitlines()
    return [ast.literal_eval(line) for line in lines if line]


def keep(name: str, inputs: Iterable[bytes]) -> None:
    """Write them, the short ones first."""
    lines = sorted({repr(data) for data in inputs}, key=lambda line: (len(line), line))
    (HERE / "corpus" / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines), "ascii")
