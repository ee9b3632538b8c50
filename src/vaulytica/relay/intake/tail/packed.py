"""Packed files, which a rotation has compressed: read as what they were, block by block and never whole."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import zlib
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from typing import IO, Any, cast

import msgspec

from vaulytica.relay.intake.tail.content import Moved, opened
from vaulytica.relay.intake.tail.files import Seen
from vaulytica.relay.intake.tail.position import PRINT, Position, fingerprint, stamp_of

_BLOCK = 256 * 1024
ENDS = 4096  # bytes of both ends, by which a copy is told


class CannotUnpack(Exception):
    """Its text says why. `is_broken`: the file is, and not what reads it."""

    def __init__(self, why: str, *, is_broken: bool) -> None:
        super().__init__(why)
        self.is_broken = is_broken


class Unpacked:
    """What is in a packed file, by its places. Going back before the last of them begins anew."""

    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor, self._name = descriptor, name
        self._open()

    def _open(self) -> None:
        raw = io.FileIO(os.dup(self._descriptor), closefd=True)
        raw.seek(0)
        try:
            self._raw, self._stream = raw, _opened(raw, self._name)
        except CannotUnpack:
            raw.close()
            raise
        self._window, self._at = b"", 0  # what was read last, and where it begins

    def pread(self, count: int, offset: int) -> bytes:
        """As os.pread; raises `CannotUnpack`."""
        if offset < self._at:
            self.close()
            self._open()
        while self._end < offset + count and self._more(offset):
            pass
        return self._window[max(0, offset - self._at) :][:count]

    def size(self) -> int:
        """How many bytes there are; raises `CannotUnpack`."""
        while self._more(self._end):
            pass
        return self._end

    @property
    def _end(self) -> int:
        return self._at + len(self._window)

    def _more(self, wanted: int) -> bool:
        """Read on; what is kept of before is the last of it, and what is wanted."""
        try:
            block = self._stream.read(_BLOCK)
        except (OSError, EOFError, zlib.error, lzma.LZMAError, _zstd_error()) as error:
            raise CannotUnpack(str(error) or type(error).__name__, is_broken=True) from None
        kept = self._window[max(0, min(wanted, self._end - ENDS) - self._at) :]
        self._at = self._end - len(kept)
        self._window = kept + block
        return bool(block)

    def close(self) -> None:
        """Let go of it."""
        self._stream.close()
        self._raw.close()


class Contents(msgspec.Struct, frozen=True):
    """What a packed file has: so many bytes, that begin and end so.

    `key`: of the place furthest on that is in it. `is_read`: a copy that ends before what was read.
    """

    size: int
    head: bytes
    tail: bytes
    key: str | None = None
    is_read: bool = False


def contents(found: Seen, positions: Mapping[str, Position]) -> Contents:
    """Read through it once; raises `CannotUnpack`, also if it is not whole, OSError, and `Moved` if it grew."""
    places = [
        (offset, print, key)
        for key, at in positions.items()
        for offset, print in [*(at.earlier if at.truncated else ()), (at.offset, at.print)]
    ]
    descriptor = opened(found.path, found.id)
    content: Unpacked | None = None
    try:
        state = os.fstat(descriptor)
        if stamp_of(state.st_size, state.st_mtime_ns) != found.stamp:
            raise Moved(found.path)  # it is not what was seen
        content = Unpacked(descriptor, found.path)
        head = content.pread(ENDS, 0)
        key, nearest = None, dict[str, bool]()
        for offset, print, of in sorted(places):
            before = min(offset, PRINT)
            data = content.pread(before, offset - before)
            if len(data) < before:
                break
            nearest[of] = fingerprint(data) == print
            if nearest[of] and offset == positions[of].offset:
                key = of
        size = content.size()
        tail = content.pread(min(size, ENDS), max(0, size - ENDS))
        is_read = key is None and any(positions[of].truncated and nearest[of] for of in nearest)
        return Contents(size, head, tail, key, is_read)
    finally:
        if content is not None:
            content.close()
        os.close(descriptor)


def _opened(raw: io.FileIO, name: str) -> IO[bytes]:
    if name.endswith(".gz"):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=raw, mode="rb"))
    if name.endswith(".bz2"):
        return bz2.BZ2File(raw)
    if name.endswith(".xz"):
        return lzma.LZMAFile(raw)
    if (zstd := _zstd()) is not None:
        return cast("IO[bytes]", zstd(raw))
    why = "reading zstd needs the package zstandard; pip install 'vaulytica[compression]'"
    raise CannotUnpack(why, is_broken=False)


def _zstd() -> Any:
    try:
        package = import_module("zstandard")
    except ImportError:
        return None
    return partial(package.ZstdDecompressor().stream_reader, read_across_frames=True)


def _zstd_error() -> type[Exception]:
    try:
        return cast("type[Exception]", import_module("zstandard").ZstdError)
    except ImportError:
        return EOFError
