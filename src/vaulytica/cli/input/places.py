"""Places: in which file, and on which line of it, the n-th entry of the input stands."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

_FEW = 8  # entries; a stretch of its own takes more memory than so many lines


@dataclass(slots=True)
class _Stretch:
    """Entries that follow each other; `lines` only where they are not on successive lines."""

    file: str
    first_line: int
    count: int
    lines: array[int] | None


class Places:
    """Kept by stretches, so that a file of one entry a line costs next to nothing, however long."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._stretches: list[_Stretch] = []
        self.count = 0

    def add(self, file: str, first_line: int, count: int, lines: Sequence[int] | None) -> None:
        """The next so many entries: on successive lines from the first, or on these."""
        last = self._stretches[-1] if self._stretches else None
        if (
            lines is None
            and last is not None
            and last.lines is None
            and (last.file, last.first_line + last.count) == (file, first_line)
        ):
            last.count += count
        elif count:
            self._add_apart(file, first_line, count, lines)
        self.count += count

    def _add_apart(
        self, file: str, first_line: int, count: int, lines: Sequence[int] | None
    ) -> None:
        """Values that span lines, or share one, come one by one: of each only its line is kept."""
        last = self._stretches[-1] if self._stretches else None
        if last is not None and last.file == file and count <= _FEW:
            if last.lines is None and last.count <= _FEW:
                last.lines = array("Q", range(last.first_line, last.first_line + last.count))
            if last.lines is not None:
                last.lines.extend(lines or range(first_line, first_line + count))
                last.count += count
                return
        kept = None if lines is None else array("Q", lines)
        self._starts.append(self.count)
        self._stretches.append(_Stretch(file, first_line, count, kept))

    def of(self, position: int) -> tuple[str, int]:
        """The file and the line of an entry, by its position from 0."""
        at = bisect_right(self._starts, position) - 1
        stretch, offset = self._stretches[at], position - self._starts[at]
        line = stretch.first_line + offset if stretch.lines is None else stretch.lines[offset]
        return stretch.file, line

    @property
    def last(self) -> tuple[str, int] | None:
        """Where the last entry stands that was read."""
        return self.of(self.count - 1) if self.count else None
