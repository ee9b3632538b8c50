r"""Whether data may stay bytes: an object, its numbers in range, without `\u`, not nested too deep."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from vaulytica.jsonvalues import MAX_DEPTH
from vaulytica.lines.line import Line

_BETWEEN = b"\n\n\n\n"  # of several bytes, as a longer needle is found faster
_OTHERS = bytes(set(range(256)) - set(b"0123456789eE\n{"))
_MARKS = bytes.maketrans(b"0123456789eE" + _OTHERS, b"0000000000ee" + b" " * len(_OTHERS))
_EXPONENT = b"0e000"  # as marks without "+": one of three digits or more
_DIGITS = b"0" * 200  # with fewer, and an exponent of two digits, a number is in range
_NO_SHAPE = bytes(set(range(256)) - set(b"{}[]\n"))
_BRACKETS = bytes.maketrans(b"[]", b"{}")
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_parse = msgspec.json.Decoder().decode


def of_unfit_data(lines: list[Line], longest: int) -> list[Line]:
    """Those whose data may not; `longest` is the length of the longest line, in bytes."""
    datas = [line.data for line in lines]
    joined = _BETWEEN.join(datas)
    marks = joined.translate(_MARKS, b"+")
    suspects: set[int] = set()
    if marks.count(_BETWEEN + b"{") + marks.startswith(b"{") < len(lines):
        suspects.update(range(len(lines)))
    if _may_be_out_of_range(marks):
        suspects.update(_where(_may_be_out_of_range, marks))
    if _has_escapes(joined):
        suspects.update(_where(_has_escapes, joined))
    if longest > 2 * MAX_DEPTH:
        shapes = joined.translate(None, _NO_SHAPE).split(_BETWEEN)
        if max(map(len, shapes)) > 2 * MAX_DEPTH:
            suspects.update(at for at, shape in enumerate(shapes) if len(shape) > 2 * MAX_DEPTH)
    return [lines[position] for position in suspects if not _is_fit(bytes(datas[position]))]


def _where(check: Callable[[bytes], bool], joined: bytes) -> list[int]:
    return [position for position, part in enumerate(joined.split(_BETWEEN)) if check(part)]


def _may_be_out_of_range(marks: bytes) -> bool:
    # rfind looks for the needle's first byte, and digits before an "e" are rare.
    return marks.rfind(_EXPONENT) >= 0 or _DIGITS in marks


def _has_escapes(data: bytes) -> bool:
    return b"\\" in data and b"\\u" in data.replace(b"\\\\", b"")


def _is_fit(data: bytes) -> bool:
    """The same of one line, without any doubt."""
    if not data.startswith(b"{") or _has_escapes(data) or _DIGITS in data.translate(_MARKS):
        return False
    try:
        _parse(data)  # what looks like a number too large may be a part of a text
    except (ValueError, RecursionError):
        return False
    shape = _STRING.sub(b"", data).translate(_BRACKETS, _NO_SHAPE)
    for _ in range(MAX_DEPTH):  # each time the innermost go
        shape = shape.replace(b"{}", b"")
    return not shape
