"""JSON values that span lines: those of an array, or objects one after the other."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from vaulytica.errors import WebhookEventError
from vaulytica.jsonvalues import what_is_wrong
from vaulytica.lines import why_not_json

_BLOCK = 64 * 1024
_BLANK = " \t\r\n"
_ESCAPED = re.compile("[\udc80-\udcff]")


class Stream(Protocol):
    """What is needed of an input."""

    def read1(self, size: int, /) -> bytes:
        """What is there, as soon as there is anything; empty at the end."""


class Value(NamedTuple):
    """One value, or why it cannot be read; the line where it begins, and its size in characters."""

    value: Any
    line: int
    size: int = 0


class Values:
    """Reads values from `line` on, no further than needed; `ahead` is what was read of them before."""

    def __init__(
        self, stream: Stream, limit: int, line: int, *, ahead: bytes = b"", array: bool = False
    ) -> None:
        self._stream, self._limit, self._array = stream, limit, array
        self._line = line
        # What is no UTF-8 becomes lone surrogates, so that only the value it is in is lost.
        self._utf8 = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._ahead = ahead
        self._text = ""
        self._at = self._counted = 0  # how far the text is read, and its lines counted
        self._decoder = json.JSONDecoder()
        self._lenient = json.JSONDecoder(parse_int=lambda _: 0)
        self._comma = True  # whether there was one since the last value; the first needs none
        self._indent: int | None = None  # of the first value, in characters

    def __iter__(self) -> Iterator[Value]:
        if self._array and self._next_value():
            self._at += 1  # the bracket
        while True:
            try:
                yield from self._values()
                return
            except (ValueError, RecursionError) as error:
                why, line = self._why(error), self._here()
            if not self._go_on():
                yield Value(WebhookEventError(f"{why}; what follows cannot be read"), line)
                return
            yield Value(WebhookEventError(f"{why}; read on from line {self._here()}"), line)

    def _values(self) -> Iterator[Value]:
        while self._next_value():
            if self._array and self._text[self._at] == "]":
                self._at += 1
                self._array = False  # what may follow are values of their own
                continue
            line = self._here()
            if self._indent is None:
                self._indent = self._at - (self._text.rfind("\n", 0, self._at) + 1)
            value = self._value(line)
            if self._array and not self._comma and type(value.value) is not WebhookEventError:
                value = Value(WebhookEventError("no comma before this value"), value.line)
            self._comma = False
            yield value
        if self._array:
            yield Value(WebhookEventError("the array does not end"), self._here())

    def _why(self, error: Exception) -> str:
        """What is wrong, with `_at` set to where."""
        if not isinstance(error, json.JSONDecodeError):
            return why_not_json(error)
        self._at = error.pos
        if _is_no_utf8(self._text[self._at : self._at + 1]):
            return "not UTF-8"
        return f"not valid JSON: {what_is_wrong(error)}"

    def _go_on(self) -> bool:
        """After a fault: go to the next line that begins an object no deeper than the first value.

        What is deeper may be a part of the value at fault, and is not to be taken for an event.
        """
        most = self._indent or 0
        self._comma = True
        while True:
            end = self._text.find("\n", self._at)
            self._at = len(self._text) if end < 0 else end + 1
            while len(self._text) - self._at <= most:
                if not self._read():
                    break
            if end >= 0 and self._text[self._at : self._at + most + 1].lstrip(_BLANK)[:1] == "{":
                return True
            if self._at >= len(self._text):
                return False

    def _next_value(self) -> bool:
        """Go to the next value, or to the array's end; False at the end of the input."""
        while self._skip(_BLANK):
            if self._text[self._at] != ",":
                return True
            self._comma = True
            self._at += 1  # a comma too many does no harm
        return False

    def _value(self, line: int) -> Value:
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
                bad, decoder = why_not_json(error), self._lenient
                continue
            # A number may go on in what is not read yet.
            if end == len(self._text) and isinstance(value, (int, float)) and self._read():
                continue
            size, self._at = end - self._at, end
            if size > self._limit:
                bad = too_long
            elif _is_no_utf8(self._text[end - size : end]):
                bad = "not UTF-8"
            return Value(value if bad is None else WebhookEventError(bad), line, size)

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


def _is_no_utf8(text: str) -> bool:
    """Whether there are bytes in it that were no UTF-8."""
    return not text.isascii() and _ESCAPED.search(text) is not None
