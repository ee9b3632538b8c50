"""Events from files: NDJSON, a JSON array, or JSON objects that span lines, read no further than needed.

What cannot be read comes out as a `Bad` entry with its line number; its neighbours are unharmed.
"""

from __future__ import annotations

import codecs
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from typing import Any

MAX_LINE_BYTES = 1024 * 1024
_BLOCK = 64 * 1024
_ENDLESS = 64  # times the limit, or 64 MiB: a line longer than that is given up on
_BOM = b"\xef\xbb\xbf"
_BLANK = " \t\r\n"


@dataclass(frozen=True, slots=True)
class Entry:
    """One JSON value of the input, and the line where it begins."""

    file: str
    line: int
    value: Any


@dataclass(frozen=True, slots=True)
class Bad:
    """A piece of the input that is no event, and why."""

    file: str
    line: int
    why: str


def read_entries(
    stream: BufferedReader, file: str, limit: int = MAX_LINE_BYTES
) -> Iterator[Entry | Bad]:
    """All entries of one input; `limit` bounds a line, or one value of an array, in bytes."""
    lines = _Lines(stream, file, limit)
    if lines.first_byte() == b"[":
        yield from _Values(lines, array=True).entries()
        return
    line = lines.next()
    if line is not None and line.begins_object():
        # An object that spans lines, as people and `jq` write them; or only a bad line.
        second = lines.next()
        if second is not None and not second.begins_next(line):
            yield from _Values(lines, line, second).entries()
            return
        yield line.entry()
        line = second
    while line is not None:
        yield line.entry()
        line = lines.next()


def is_too_many_digits(error: Exception) -> bool:
    """Whether a parser met an integer that Python refuses to read, as that would take too long."""
    return "set_int_max_str_digits" in str(error)


def too_many_digits() -> str:
    """The same in words of our own."""
    return f"an integer has more than {sys.get_int_max_str_digits()} digits"


@dataclass(frozen=True, slots=True)
class _Line:
    file: str
    number: int
    text: bytes
    too_long: str | None  # says so; then only the line's beginning is here

    def entry(self) -> Entry | Bad:
        if self.too_long is not None:
            return Bad(self.file, self.number, self.too_long)
        try:
            return Entry(self.file, self.number, json.loads(self.text.decode("utf-8")))
        except (ValueError, RecursionError) as error:
            return Bad(self.file, self.number, _why(error))

    def begins_object(self) -> bool:
        """Whether this is an object that is well so far, but does not end here."""
        if self.too_long is not None or not self.text.lstrip().startswith(b"{"):
            return False
        try:
            json.loads(self.text)
        except json.JSONDecodeError as error:
            return error.pos >= len(error.doc.rstrip())
        except (ValueError, RecursionError):
            return False
        return False

    def begins_next(self, first: _Line) -> bool:
        """Whether this line begins an event of its own, and does not carry on the first."""
        begins = self.text.lstrip().startswith(b"{") and not first.text.rstrip().endswith(b"[")
        return begins or self.too_long is not None


class _Lines:
    """Lines that are not blank, one by one, each at most `limit` bytes in memory."""

    def __init__(self, stream: BufferedReader, file: str, limit: int) -> None:
        self.stream, self.file, self.limit = stream, file, limit
        self.number = 1  # of the line to be read next
        self.given_up = False

    def first_byte(self) -> bytes:
        """The first byte that is no blank, left where it is; empty at the end."""
        if self.stream.peek(3).startswith(_BOM):
            self.stream.read(3)
        blanks = 0  # of this line
        while (byte := self.stream.peek(1)[:1]).isspace() and blanks <= self.limit:
            blanks += 1
            if self.stream.read(1) == b"\n":
                self.number, blanks = self.number + 1, 0
        return byte

    def next(self) -> _Line | None:
        # The line's end may be CR LF.
        while not self.given_up and (text := self.stream.readline(self.limit + 2)):
            number, too_long = self.number, None
            self.number += 1
            whole = text.rstrip(b"\r\n")
            if len(whole) > self.limit:
                too_long = f"the line is longer than {self.limit} bytes"
                if not self._skip_line(text):
                    self.given_up = True
                    too_long = f"the line does not end; the rest of {self.file} is not read"
            if too_long or whole.strip():
                return _Line(self.file, number, whole, too_long)
        return None

    def _skip_line(self, text: bytes) -> bool:
        """Go to the end of the line that begins so; False if it seems to have none."""
        left = max(_ENDLESS * self.limit, _ENDLESS * MAX_LINE_BYTES)
        while text and not text.endswith(b"\n"):
            left -= len(text)
            if left < 0:
                return False
            text = self.stream.readline(_BLOCK)
        return True


class _Values:
    """JSON values that span lines: those of an array, or objects one after the other."""

    def __init__(self, lines: _Lines, *read: _Line, array: bool = False) -> None:
        self._stream, self._file, self._limit = lines.stream, lines.file, lines.limit
        self._array = array
        self._line = lines.number
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._ahead = b""  # what the caller has read of the stream
        self._text = ""
        self._at = self._counted = 0  # how far the text is read, and its lines counted
        if read:
            first, second = read
            self._line = first.number
            gap = b"\n" * (second.number - first.number)
            self._ahead = first.text + gap + second.text + b"\n"
        self._decoder = json.JSONDecoder()
        self._lenient = json.JSONDecoder(parse_int=lambda _: 0)
        self._comma = True  # whether there was one since the last value; the first needs none

    def entries(self) -> Iterator[Entry | Bad]:
        """Every value; after one that cannot be read nobody knows where the next begins."""
        try:
            if self._array:
                self._skip(_BLANK)
                self._at += 1  # the bracket
            while self._next_value():
                if self._array and self._text[self._at] == "]":
                    self._at += 1
                    if self._skip(_BLANK):
                        yield Bad(self._file, self._here(), "something follows after the array")
                    return
                value = self._value(self._here())
                if self._array and not self._comma and isinstance(value, Entry):
                    value = Bad(self._file, value.line, "no comma before this value")
                self._comma = False
                yield value
            if self._array:
                yield Bad(self._file, self._here(), "the array does not end")
        except (ValueError, RecursionError) as error:
            why = _why(error)
            if isinstance(error, json.JSONDecodeError):
                self._at, why = error.pos, f"not valid JSON: {error.msg}"
            yield Bad(self._file, self._here(), f"{why}; what follows cannot be read")

    def _next_value(self) -> bool:
        """Go to the next value, or to the array's end; False at the end of the input."""
        while self._skip(_BLANK):
            if self._text[self._at] != ",":
                return True
            self._comma = True
            self._at += 1  # a comma too many does no harm
        return False

    def _value(self, line: int) -> Entry | Bad:
        bad, decoder = None, self._decoder
        too_long = f"a value is longer than {self._limit} bytes"
        while True:
            try:
                value, end = decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError:
                size = len(self._text) - self._at
                if size > self._limit:
                    raise ValueError(too_long) from None
                if not self._read(size):  # as much again: all the tries together stay linear
                    raise
                continue
            except ValueError as error:  # an integer; where the value ends can be told all the same
                bad, decoder = _why(error), self._lenient
                continue
            # A number may go on in what is not read yet.
            if end == len(self._text) and isinstance(value, (int, float)) and self._read():
                continue
            size, self._at = end - self._at, end
            if size > self._limit:
                bad = too_long
            if bad is not None:
                return Bad(self._file, line, bad)
            return Entry(self._file, line, value)

    def _skip(self, characters: str) -> bool:
        """Go to the next other character; False at the end of the input."""
        while True:
            text, at = self._text, self._at
            while at < len(text) and text[at] in characters:
                at += 1
            self._at = at
            if at < len(text):
                return True
            if not self._read():
                return False

    def _here(self) -> int:
        """The number of the line we are in."""
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def _read(self, least: int = 0) -> bool:
        """Read on, dropping what was read before; False at the end of the input."""
        block = self._ahead or self._stream.read1(_BLOCK)
        self._ahead = b""
        while block and len(block) < least and (more := self._stream.read1(_BLOCK)):
            block += more
        new = self._utf8.decode(block, final=not block)
        if not block:
            return False
        self._here()
        self._text = self._text[self._at :] + new
        self._at = self._counted = 0
        return True


def _why(error: Exception) -> str:
    """What is wrong, without the text it is wrong in."""
    if isinstance(error, json.JSONDecodeError):
        return f"not valid JSON: {error.msg} at column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8: {error.reason} at byte {error.start + 1}"
    if isinstance(error, RecursionError):
        return "nested too deep"
    if is_too_many_digits(error):
        return too_many_digits()
    return str(error)
