"""JSON values that span lines: those of an array, or objects one after the other."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from vaulytica.errors import WebhookEventError
from vaulytica.lines import why_not_json

_BLOCK = 64 * 1024
_BLANK = " \t\r\n"


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
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._ahead = ahead
        self._text = ""
        self._at = self._counted = 0  # how far the text is read, and its lines counted
        self._decoder = json.JSONDecoder()
        self._lenient = json.JSONDecoder(parse_int=lambda _: 0)
        self._comma = True  # whether there was one since the last value; the first needs none

    def __iter__(self) -> Iterator[Value]:
        try:
            if self._array:
                self._next_value()
                self._at += 1  # the bracket
            while self._next_value():
                if self._array and self._text[self._at] == "]":
                    self._at += 1
                    if self._skip(_BLANK):
                        yield self._bad("something follows after the array")
                    return
                value = self._value(self._here())
                if self._array and not self._comma and type(value.value) is not WebhookEventError:
                    value = Value(WebhookEventError("no comma before this value"), value.line)
                self._comma = False
                yield value
            if self._array:
                yield self._bad("the array does not end")
        except (ValueError, RecursionError) as error:
            why = why_not_json(error)
            if isinstance(error, json.JSONDecodeError):
                self._at, why = error.pos, f"not valid JSON: {error.msg}"
            yield self._bad(f"{why}; what follows cannot be read")

    def _bad(self, why: str) -> Value:
        return Value(WebhookEventError(why), self._here())

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
