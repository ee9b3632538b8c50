r"""Whether data may stay bytes: an object, its numbers in range, without `\u`, not nested too deep."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import BytesIO
from operator import itemgetter

import msgspec

from vaulytica.jsonvalues import MAX_DEPTH
from vaulytica.lines.line import Line

_FIRST, _BRACE = itemgetter(0), frozenset(b"{")
_OTHERS = bytes(set(range(256)) - set(b"0123456789eE+\n"))
_MARKS = bytes.maketrans(b"0123456789+eE" + _OTHERS, b"00000000000ee" + b" " * len(_OTHERS))
_EXPONENT = b"0e000"  # as marks: it may have three digits or more
_DIGITS = b"0" * 200  # with fewer, and an exponent of two digits, a number is in range
_NO_SHAPE = bytes(set(range(256)) - set(b"{}[]"))
_BRACKETS = bytes.maketrans(b"[]", b"{}")
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_parse = msgspec.json.Decoder().decode


def of_unfit_data(lines: list[Line]) -> list[Line]:
    """Those whose data may not."""
    joined = b"\n".join([line.data for line in lines])
    datas = BytesIO(joined).readlines()
    marks = joined.translate(_MARKS)
    suspects: set[int] = set()
    if not set(map(_FIRST, datas)) <= _BRACE:
        suspects.update(range(len(lines)))
    if _may_be_out_of_range(marks):
        suspects.update(_where(_may_be_out_of_range, marks))
    if _has_escapes(joined):
        suspects.update(_where(_has_escapes, joined))
    if max(map(len, datas), default=0) > 2 * MAX_DEPTH:
        suspects.update(at for at, data in enumerate(datas) if may_be_too_deep(data))
    return [lines[position] for position in suspects if not _is_fit(bytes(lines[position].data))]


def _where(check: Callable[[bytes], bool], joined: bytes) -> list[int]:
    return [position for position, part in enumerate(joined.split(b"\n")) if check(part)]


def _may_be_out_of_range(marks: bytes) -> bool:
    # rfind looks for the needle's first byte, and digits before an "e" are rare.
    return marks.rfind(_EXPONENT) >= 0 or _DIGITS in marks


def may_be_too_deep(data: bytes) -> bool:
    """Whether there are brackets enough."""
    return len(data.translate(None, _NO_SHAPE)) > 2 * MAX_DEPTH


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
