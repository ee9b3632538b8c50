"""Keys that stand twice in one object: readers disagree which of the two counts, so it could hide something."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from vaulytica.relay.intake.shapes import Shapes

_decode, _encode = msgspec.json.Decoder().decode, msgspec.json.Encoder().encode
_decode_lines = msgspec.json.Decoder().decode_lines
_encode_lines = msgspec.json.Encoder().encode_lines


def is_unique(block: bytes) -> bool:
    """Whether it is seen at once that no key stands twice, in whole lines of which each is a JSON text.

    It is, if the lines are the same when they are decoded, and encoded anew.
    """
    try:
        again = _encode_lines(_decode_lines(block))
        # Most programs write no spaces.
        return again == block or _array(again) == msgspec.json.format(_array(block), indent=-1)
    except (ValueError, RecursionError):
        return False


SHAPES = Shapes(is_unique)


def _array(lines: bytes) -> bytes:
    return b"[%b]" % lines.removesuffix(b"\n").replace(b"\n", b",")


def first_duplicate(texts: Sequence[bytes]) -> tuple[int, str] | None:
    """The first of these JSON texts in which an object has a key twice, and the key; None if none has.

    What is decoded has no key twice. So where encoding it anew gives the same bytes (spaces aside),
    there was none.
    """
    for number, text in enumerate(texts):
        if not _is_same(text) and (key := _duplicate(text)) is not None:
            return number, key
    return None


def _is_same(text: bytes) -> bool:
    try:
        return bool(_encode(_decode(text)) == msgspec.json.format(text, indent=-1))
    except (ValueError, RecursionError):
        return False


class _Found(Exception):
    """The key that stands twice."""


def _duplicate(text: bytes) -> str | None:
    try:
        json.loads(text, object_pairs_hook=_unique)
    except _Found as found:
        return str(found)
    except (ValueError, RecursionError):  # who reads it says what is wrong
        return None
    return None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Found(key)
            seen.add(key)
    return document
