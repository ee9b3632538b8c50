"""Events from files: NDJSON, a JSON array, or JSON objects that span lines, read no further than needed.

What cannot be read comes out as a `WebhookEventError` at its line; its neighbours are unharmed.
"""

from __future__ import annotations

import gzip
import json
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from io import BufferedReader
from typing import Any

from vaulytica.cli.input.mapping import MapError
from vaulytica.cli.input.values import Stream, Values
from vaulytica.errors import WebhookEventError
from vaulytica.lines import Entries, Lines, decode, decode_values, decode_well

MAX_LINE_BYTES = 1024 * 1024
BLOCK = 512 * 1024  # bytes that are read at a time; half as much, or twice, is slower by 5 %
_PIECE = 32 * 1024  # bytes of those that are read one by one; then others have their turn
_ENDLESS = 64  # times the limit, or 64 MiB: a line longer than that is given up on
_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # how PowerShell writes by default

Inputs = list[tuple[str, BufferedReader]]
Mapping = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Entries that were read at once; `lines` has the line of each, or None: one on each from the first.

    Entries other than `Lines` are each a `Line`, a JSON value, or a `WebhookEventError`; there are none
    where all lines are blank. `size`: the bytes they were read from.
    """

    file: str
    first_line: int
    entries: Lines | Entries
    lines: list[int] | None = None
    size: int = 0


def chunks(
    inputs: Iterable[tuple[str, BufferedReader]],
    mapping: Mapping | None = None,
    limit: int = MAX_LINE_BYTES,
) -> Iterator[Chunk]:
    """All inputs, one after the other: what has arrived is handed over, and never waits for more.

    `limit` bounds a line, or one value of an array, in bytes. What is in gzip is unpacked.
    """
    for file, stream in inputs:
        try:
            for chunk in _Input(_unpacked(stream), file, limit, fast=mapping is None).chunks():
                if mapping is not None:
                    entries = Entries(_mapped(entry, mapping) for entry in chunk.entries)
                    chunk = replace(chunk, entries=entries)
                yield chunk
        except (OSError, EOFError, zlib.error) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else error
            yield Chunk(file, 0, Entries([WebhookEventError(f"cannot be read on: {why}")]))


def _unpacked(stream: BufferedReader) -> Stream:
    packed = stream.peek(2).startswith(_GZIP)
    return gzip.GzipFile(fileobj=stream) if packed else stream


def _mapped(entry: Any, mapping: Mapping) -> Any:
    if isinstance(entry, WebhookEventError):
        return entry
    try:
        return mapping(entry)
    except MapError as error:
        return WebhookEventError(str(error))


class _Input:
    """One input; besides a block, only the line or the value that is being read is in memory."""

    def __init__(self, stream: Stream, file: str, limit: int, *, fast: bool) -> None:
        self._stream, self._file, self._limit = stream, file, limit
        self._fast = fast
        self._ahead = b""  # what is read, and not handed over; begins with a line
        self._line = 1  # its number

    def chunks(self) -> Iterator[Chunk]:
        array = self._begins_array()
        if self._ahead.startswith(_UTF_16):
            yield self._bad(f"UTF-16; {self._file} must be UTF-8 (iconv -f UTF-16 -t UTF-8)")
            return
        if array or self._begins_object_of_lines():
            ahead = self._ahead
            for value in Values(self._stream, self._limit, self._line, ahead=ahead, array=array):
                yield Chunk(self._file, value.line, Entries([value.value]), None, value.size)
            return
        more = True
        while more:
            end = self._ahead.rfind(b"\n") + 1
            block, self._ahead = self._ahead[:end], self._ahead[end:]
            yield from self._lines(block)
            if len(self._ahead) > self._limit + 1:  # its end may be CR LF
                if not self._skip_line():
                    yield self._bad(f"the line does not end; the rest of {self._file} is not read")
                    return
                yield self._too_long()
            more = self._read()
        yield from self._lines(self._ahead)

    def _read(self) -> bool:
        block = self._stream.read1(BLOCK)
        self._ahead += block
        return bool(block)

    def _begins_array(self) -> bool:
        """Go to the first line that is not blank; whether an array begins there."""
        self._read()
        self._ahead = self._ahead.removeprefix(_BOM)
        while True:
            text = self._ahead.lstrip()
            blank = len(self._ahead) - len(text)
            end = self._ahead.rfind(b"\n", 0, blank) + 1
            self._line += self._ahead.count(b"\n", 0, end)
            self._ahead = self._ahead[end:]
            if text or len(self._ahead) > self._limit or not self._read():
                return text.startswith(b"[") and _begins_values(text[1:])

    def _begins_object_of_lines(self) -> bool:
        """Whether an object begins here that spans lines, as people and `jq` write them."""
        first = self._line_at(0)
        if first is None or not _begins_object(first):
            return False
        at = len(first) + 1
        most = at + self._limit  # of blank lines
        while at < most and (second := self._line_at(at)) is not None and at < len(self._ahead):
            if second.strip():  # if it is an event of its own, the first is only a bad line
                own = second.lstrip().startswith(b"{") and not first.rstrip().endswith(b"[")
                return not own and _is_well_so_far(first + b"\n" + second, whole=True)
            at += len(second) + 1
        return False

    def _line_at(self, at: int) -> bytes | None:
        """The line that begins there, without its end; None if it is too long."""
        while (end := self._ahead.find(b"\n", at)) < 0:
            if len(self._ahead) - at > self._limit + 1 or not self._read():
                break
        text = self._ahead[at:] if end < 0 else self._ahead[at:end]
        return None if self._is_long(text) else text

    def _is_long(self, text: bytes) -> bool:
        return len(text) > self._limit and len(text.rstrip(b"\r")) > self._limit

    def _lines(self, block: bytes) -> Iterator[Chunk]:
        """The entries of whole lines."""
        if len(block) > self._limit:
            for text in block.split(b"\n"):
                if self._is_long(text):
                    before, _, after = block.partition(text)
                    yield from self._lines(before)
                    yield self._too_long()
                    block = after[1:]
        if not block:
            return
        now_ms = time.time_ns() // 1_000_000
        if self._fast and (well := decode_well(block, now_ms)) is not None:
            yield self._chunk(block, well, None)
            return
        at = 0
        while at < len(block):
            end = block.find(b"\n", at + _PIECE) + 1 or len(block)
            piece, at = block[at:end], end
            yield self._chunk(
                piece, *(decode(piece, now_ms) if self._fast else decode_values(piece))
            )

    def _chunk(self, block: bytes, entries: Lines | Entries, numbers: list[int] | None) -> Chunk:
        first = self._line
        self._line += len(entries) if numbers is None else block.count(b"\n")
        lines = None if numbers is None else [first + number for number in numbers]
        return Chunk(self._file, first, entries, lines, len(block))

    def _skip_line(self) -> bool:
        """Go to the end of the line that begins here; False if it seems to have none."""
        left = _ENDLESS * max(self._limit, MAX_LINE_BYTES)
        while (end := self._ahead.find(b"\n")) < 0:
            left -= len(self._ahead)
            self._ahead = b""
            if left < 0:
                return False
            if not self._read():
                return True
        self._ahead = self._ahead[end + 1 :]
        return True

    def _too_long(self) -> Chunk:
        self._line += 1
        return self._bad(f"the line is longer than {self._limit} bytes", self._line - 1)

    def _bad(self, why: str, line: int | None = None) -> Chunk:
        return Chunk(self._file, line or self._line, Entries([WebhookEventError(why)]))


def _begins_object(line: bytes) -> bool:
    """Whether this is an object that is well so far, but does not end here."""
    return line.lstrip().startswith(b"{") and _is_well_so_far(line, whole=False)


def _begins_values(text: bytes) -> bool:
    """Whether values of an array begin here, not the words of a log line such as `[INFO] started`."""
    first, end, _ = text.lstrip(b" \t").partition(b"\n")
    if not first.strip() or first.startswith((b"{", b"[", b"]")):
        return True
    return _is_well_so_far(b"[" + first, whole=True) or not end


def _is_well_so_far(text: bytes, *, whole: bool) -> bool:
    """Whether this is the beginning of a JSON value; or with `whole` also one that is complete."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return error.pos >= len(error.doc.rstrip())
    except UnicodeDecodeError:
        return False
    except (ValueError, RecursionError):  # an integer, or a depth, that Python does not read
        return True
    return whole
