"""Pages of an SQLite file, read without SQLite, which gives up on what is around a damaged one.

By https://sqlite.org/fileformat2.html. What a write-ahead log beside the file has of a page comes first.
Whether a page is in use is told by the pointer map (every file that an outbox made has one), which also
says behind which page an overflow page belongs; without one, by the list of free pages.
"""

from __future__ import annotations

import os
import struct
from functools import cached_property
from pathlib import Path

MAGIC = b"SQLite format 3\0"
SIZES = tuple(2**power for power in range(9, 17))
_WAL_MAGIC = {0x377F0682: "<", 0x377F0683: ">"}  # the byte order of its checksums
_WAL_HEADER, _FRAME_HEADER = 32, 24
_PENDING_BYTE = 2**30  # the page there is never used
_ROOT, _FREE, _OVERFLOW_FIRST, _OVERFLOW_NEXT, _BTREE = 1, 2, 3, 4, 5
_KINDS = frozenset((_ROOT, _FREE, _OVERFLOW_FIRST, _OVERFLOW_NEXT, _BTREE))


class Pages:
    """Numbered from 1 to `count`; `told` there should be. `size`: bytes of a page, where the file does not say."""

    def __init__(self, path: Path, size: int) -> None:
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._wal = _open_if_there(path.with_name(path.name + "-wal"))
        self.bytes = os.fstat(self._file).st_size
        said = os.pread(self._file, 100, 0)
        self.size = size
        if said[:16] == MAGIC and (told := _page_size(said)) is not None:
            self.size = told
        self._logged, committed = self._read_log()
        header = self.page(1) or said
        self.has_header = header[:16] == MAGIC and _page_size(header) == self.size
        self.header = header[:100] if self.has_header else bytes(100)
        self.usable = self.size - self.header[20]
        self.there = max([self.bytes // self.size, *self._logged])
        self.told = committed or _u32(self.header, 28) or self.there
        self.count = min(self.told, self.there)

    def close(self) -> None:
        """Let go of the files."""
        os.close(self._file)
        if self._wal is not None:
            os.close(self._wal)

    def page(self, number: int) -> bytes | None:
        """Its content; None where the file does not reach that far."""
        at = self._logged.get(number)
        if at is not None:
            assert self._wal is not None
            content = os.pread(self._wal, self.size, at)
        else:
            content = os.pread(self._file, self.size, (number - 1) * self.size)
        return content if len(content) == self.size else None

    # --- Which are in use.

    def is_mapped(self, number: int) -> bool:
        """Whether the map says that it is a page of a tree."""
        return self._mapped.get(number, (0, 0))[0] in (_ROOT, _BTREE)

    def is_live(self, number: int) -> bool | None:
        """Whether rows are in it; None where nothing tells."""
        kind = self._mapped.get(number, (0, 0))[0]
        if kind:
            return kind in (_ROOT, _BTREE)
        return None if self._free is None else number not in self._free

    def after(self, number: int, told: int, *, first: bool) -> int | None:
        """The overflow page behind a page: as that one says it, if it can be; else as the map has it.

        Where the map has nothing either, it is the next in the file, as most often it is.
        """
        behind = (_OVERFLOW_FIRST if first else _OVERFLOW_NEXT, number)
        if 1 < told <= self.count and self._mapped.get(told, behind) == behind:
            return told
        found = self._behind.get(behind, [])
        if not found and not first and number < self.count and number + 1 not in self._mapped:
            return number + 1
        return found[0] if len(found) == 1 else None

    @cached_property
    def _mapped(self) -> dict[int, tuple[int, int]]:
        """What the pointer map has of pages: the kind, and the page it hangs on. Damaged parts have nothing."""
        mapped: dict[int, tuple[int, int]] = {}
        entries = self.usable // 5
        if not self._has_map(entries):
            return mapped
        for number in range(2, self.count + 1, entries + 1):
            at = number + (number == _PENDING_BYTE // self.size + 1)
            page = self.page(at)
            covered = min(entries, self.count - at)
            found = [] if page is None else list(struct.iter_unpack(">BI", page[: 5 * covered]))
            if all(kind in _KINDS and parent <= self.told for kind, parent in found):
                mapped |= {at + 1 + n: (kind, parent) for n, (kind, parent) in enumerate(found)}
        return mapped

    def _has_map(self, entries: int) -> bool:
        if self.has_header:
            return _u32(self.header, 52) != 0
        page = self.page(2)
        if page is None:
            return False
        kinds = {
            kind for kind, _ in struct.iter_unpack(">BI", page[: 5 * min(entries, self.count - 2)])
        }
        return bool(kinds) and kinds <= _KINDS

    @cached_property
    def _behind(self) -> dict[tuple[int, int], list[int]]:
        behind: dict[tuple[int, int], list[int]] = {}
        for number, entry in self._mapped.items():
            behind.setdefault(entry, []).append(number)
        return behind

    @cached_property
    def _free(self) -> set[int] | None:
        """The pages on the list of free ones; None if that cannot be read to its end."""
        if not self.has_header:
            return None
        free: set[int] = set()
        trunk, wanted = struct.unpack_from(">2I", self.header, 32)
        while trunk:
            page = self.page(trunk)
            if page is None or trunk in free:
                return None
            trunk_next, leaves = struct.unpack_from(">2I", page)
            if leaves > self.usable // 4 - 2:
                return None
            free |= {trunk, *struct.unpack_from(f">{leaves}I", page, 8)}
            trunk = trunk_next
        return free if len(free) == wanted else None

    # --- The log.

    def _read_log(self) -> tuple[dict[int, int], int]:
        """Where in the log the last committed content of pages is, and how many pages there are then."""
        header = b"" if self._wal is None else os.pread(self._wal, _WAL_HEADER, 0)
        if len(header) < _WAL_HEADER:
            return {}, 0
        magic, _, size, _, *salts, one, two = struct.unpack(">8I", header)
        order = _WAL_MAGIC.get(magic)
        sums = (0, 0) if order is None else _checksum(header[:24], order, (0, 0))
        if order is None or size not in SIZES or sums != (one, two):
            return {}, 0
        self.size = size
        assert self._wal is not None
        committed: dict[int, int] = {}
        pending: dict[int, int] = {}
        count, at = 0, _WAL_HEADER
        while len(frame := os.pread(self._wal, _FRAME_HEADER + size, at)) == _FRAME_HEADER + size:
            number, commit, *salt, one, two = struct.unpack_from(">6I", frame)
            sums = _checksum(frame[:8] + frame[_FRAME_HEADER:], order, sums)
            if salt != salts or sums != (one, two):
                break
            pending[number] = at + _FRAME_HEADER
            if commit:
                committed |= pending
                pending, count = {}, commit
            at += _FRAME_HEADER + size
        return committed, count


def _checksum(content: bytes, order: str, sums: tuple[int, int]) -> tuple[int, int]:
    one, two = sums
    words = iter(struct.unpack(f"{order}{len(content) // 4}I", content))
    for first, second in zip(words, words, strict=True):
        one = (one + first + two) & 0xFFFFFFFF
        two = (two + second + one) & 0xFFFFFFFF
    return one, two


def _page_size(header: bytes) -> int | None:
    (said,) = struct.unpack_from(">H", header, 16)
    size = 65536 if said == 1 else said
    return size if size in SIZES and header[20] <= size - 480 else None


def _u32(content: bytes, at: int) -> int:
    return int.from_bytes(content[at : at + 4], "big")


def _open_if_there(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
