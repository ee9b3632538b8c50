"""Shapes: lines that are written like one that was looked at closely have their names at the same places.

Most programs write all events of a type by the same piece of code. Of one such line a regular expression
is made, in which only values may differ, and it runs over a block of them in C. It tells nothing of the
values, and holds only for lines that are JSON: of what is none, it may say anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_MOST = 16  # shapes known at a time
_ANEW = 4096  # lines of other shapes, after which all are forgotten
_STOPS = 8  # lines of one block that are looked at closely
_PAUSE = 32  # blocks that are not looked at, after one that would have needed more
_LONGEST = 4096  # bytes of a line of which a shape is made
_TOKEN = re.compile(rb'("[^"\\]*"\s*:\s*)|("[^"\\]*")|([-+.\w]+)|([{}\[\],\s])')
_TYPE = re.compile(rb'"type"\s*:\s*')
# Where there is no backslash, each quote begins or ends a text. Both match in one way only.
_TEXT, _OTHER = rb'"[^"]*+"', rb'[^",:{}\[\]\s]++'


class Shapes:
    """Those seen lately. `is_fine`: whether no name stands twice in a line, as a close look tells."""

    def __init__(self, is_fine: Callable[[bytes], bool]) -> None:
        self._is_fine = is_fine
        self._known: list[bytes] = []
        self._lines = _lines_of([])
        self._unknown = self._pause = 0

    def fine(self, block: bytes) -> int:
        """In how many bytes of a block, all of them whole lines, no name stands twice, as far as is seen."""
        if self._pause:
            self._pause -= 1
            return 0
        if b"\\" in block:
            return 0
        at = 0
        for _ in range(_STOPS):
            at = self._behind_known(block, at)
            end = block.find(b"\n", at) + 1 or len(block)
            if at == end or not self._is_fine(block[at:end]):
                return at
            self._learn(block[at:end])
            at = end
        self._pause = 0 if at == len(block) else _PAUSE
        return at

    def _behind_known(self, block: bytes, at: int) -> int:
        found = self._lines.match(block, at)
        return at if found is None else found.end()

    def _learn(self, line: bytes) -> None:
        self._unknown += 1
        if self._unknown > _ANEW:
            self._known, self._unknown = [], 0
        if len(self._known) < _MOST and (shape := _shape_of(line)) is not None:
            self._known.append(shape)
            self._lines = _lines_of(self._known)


def _lines_of(shapes: list[bytes]) -> re.Pattern[bytes]:
    return re.compile(b"(?:%b)*+" % b"|".join(shapes or [rb"(?!)"]))


def _shape_of(line: bytes) -> bytes | None:
    """What other lines match that have the same names at the same places, and the same type."""
    if len(line) > _LONGEST or not line.endswith(b"\n"):
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
        parts.append(_TEXT if text and not is_type else _OTHER if other else re.escape(token[0]))
        at, after = token.end(), name or b""
    return b"".join(parts)
