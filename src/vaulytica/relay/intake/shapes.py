"""Shapes: lines that are written like one that was looked at closely have their names at the same places.

Most programs write all events of a type by the same piece of code. Of one such line a regular expression
is made, in which only values may differ, and it runs over a block of them in C. It holds only for lines
that are JSON: of what is none, it may say anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from vaulytica.lines import may_be_too_deep

_MOST = 16  # shapes known at a time
_ANEW = 4096  # lines of other shapes, after which all are forgotten
_STOPS = 8  # lines of one block that are looked at closely
_PAUSE = 32  # blocks that are not looked at, after one that would have needed more
_LONGEST = 4096  # bytes of a line of which a shape is made
_TOKEN = re.compile(
    rb'("[^"\\]*"\s*:\s*)|("[^"\\]*")|([-.0-9]{1,40}(?![\w+])|true|false|null)|([{}\[\],\s])'
)
_TYPE, _DATA, _METADATA = [
    re.compile(rb'"%b"\s*:\s*' % name) for name in (b"type", b"data", b"metadata")
]
# Where there is no backslash, each quote begins or ends a text. Both match in one way only, and no number
# that could be too large.
_TEXT, _OTHER = rb'"[^"]*+"', rb"(?:[-.0-9]{1,40}+|true|false|null)"


class Shapes:
    """Those seen lately. `is_unique`: whether no name stands twice in a line, as a close look tells."""

    def __init__(self, is_unique: Callable[[bytes], bool]) -> None:
        self._is_unique = is_unique
        self._known: list[bytes] = []
        self._lines = _lines_of([])
        self._unknown = self._pause = 0

    def look(self, block: bytes) -> tuple[int, bool]:
        """In how many bytes of a block, all of them whole lines, no name stands twice, as far as is seen.

        And whether all of these are of known shapes: then nothing but the timestamps and ids of events can be
        in doubt (`lines.decode`, `fit`).
        """
        if self._pause:
            self._pause -= 1
            return 0, False
        if b"\\" in block:
            return 0, False
        at, known = 0, True
        for _ in range(_STOPS):
            at = self._behind_known(block, at)
            end = block.find(b"\n", at) + 1 or len(block)
            if at == end or not self._is_unique(block[at:end]):
                return at, known
            known &= self._learn(block[at:end])
            at = end
        self._pause = 0 if at == len(block) else _PAUSE
        return at, known

    def _behind_known(self, block: bytes, at: int) -> int:
        found = self._lines.match(block, at)
        return at if found is None else found.end()

    def _learn(self, line: bytes) -> bool:
        """Whether it has a shape; then those to come that are written like it are known."""
        self._unknown += 1
        if self._unknown > _ANEW:
            self._known, self._unknown = [], 0
        shape = _shape_of(line)
        if shape is not None and len(self._known) < _MOST:
            self._known.append(shape)
            self._lines = _lines_of(self._known)
        return shape is not None


def _lines_of(shapes: list[bytes]) -> re.Pattern[bytes]:
    return re.compile(b"(?:%b)*+" % b"|".join(shapes or [rb"(?!)"]))


def _shape_of(line: bytes) -> bytes | None:
    """What other lines match that have the same names at the same places, and the same type.

    None where a value may be more than a shape can tell of.
    """
    if len(line) > _LONGEST or not line.endswith(b"\n") or may_be_too_deep(line):
        return None
    parts: list[bytes] = []
    at, after = 0, b""
    while at < len(line):
        token = _TOKEN.match(line, at)
        if token is None:
            return None
        name, text, other, _ = token.groups()
        # A type begins another way to go on: shapes that differ early are told apart early.
        is_type = text is not None and _TYPE.fullmatch(after) is not None
        if is_type and text[1:-1].decode(errors="replace").isspace():
            return None
        if _METADATA.fullmatch(after) or (_DATA.fullmatch(after) and token[0] != b"{"):
            return None
        parts.append(_TEXT if text and not is_type else _OTHER if other else re.escape(token[0]))
        at, after = token.end(), name or b""
    return b"".join(parts)
