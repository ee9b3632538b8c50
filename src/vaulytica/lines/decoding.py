r"""Decodes whole lines: into a `Line` where the bytes of its data are as good as the data itself.

What is in doubt (escapes by `\u`, deep nesting, huge numbers) is read the thorough way.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from vaulytica.jsonvalues import MAX_BYTES, NotJSON, plain
from vaulytica.lines.data import of_unfit_data
from vaulytica.lines.line import Line
from vaulytica.lines.stamps import without_id, without_timestamp
from vaulytica.lines.thorough import read

_decode = msgspec.json.Decoder(Line).decode
_UNFIT = (ValueError, RecursionError)  # msgspec's errors and those of UTF-8 are ValueErrors


def decode(block: bytes, now_ms: int) -> tuple[list[Any], list[int] | None]:
    """The entries of whole lines, and on which of them each stands, from 0; None: one on each.

    An entry is a `Line`; or the JSON value of a line in doubt, for `Event.from_mapping` to judge; or
    a `WebhookEventError` that says why the line is not JSON. Blank lines have none.
    """
    texts = _texts(block)
    numbers = None
    lines = _all(block, texts)
    entries: list[Any] | None = lines
    if entries is None:
        texts, numbers = _not_blank(texts)
        entries = [_one(text) for text in texts]
        lines = [entry for entry in entries if type(entry) is Line]
    if doubtful := _doubtful(lines or [], max(map(len, texts), default=0), now_ms):
        again = {id(line) for line in doubtful}
        entries = [
            read(text) if id(entry) in again else entry
            for entry, text in zip(entries, texts, strict=True)
        ]
    return entries, numbers


def decode_values(block: bytes) -> tuple[list[Any], list[int] | None]:
    """The same without any `Line`: all lines are read by `read`."""
    texts, numbers = _not_blank(_texts(block))
    return [read(text) for text in texts], numbers


def _texts(block: bytes) -> list[bytes]:
    texts = block.split(b"\n")
    if not texts[-1]:  # the last line has its end
        texts.pop()
    return texts


def _not_blank(texts: list[bytes]) -> tuple[list[bytes], list[int] | None]:
    numbers = [number for number, text in enumerate(texts) if text and not text.isspace()]
    if len(numbers) == len(texts):
        return texts, None
    return [texts[number] for number in numbers], numbers


def _all(block: bytes, texts: list[bytes]) -> list[Any] | None:
    """All lines, if each of them is an event; by far the most often they are."""
    if len(block) > MAX_BYTES:
        return None
    try:
        if not block.isascii():
            block.decode()  # msgspec does not look into what it leaves as bytes
        return list(map(_decode, texts))
    except _UNFIT:
        return None


def _one(text: bytes) -> Any:
    if len(text) <= MAX_BYTES:
        try:
            text.decode()
            return _decode(text)
        except _UNFIT:
            pass
    return read(text)


def _doubtful(lines: list[Line], longest: int, now_ms: int) -> list[Line]:
    """Set what is absent, and return the lines that are to be read the thorough way.

    `longest` is the length of the longest, in bytes.
    """
    return [
        *_of_blank_type(lines),
        *_of_unfit_metadata(lines),
        *of_unfit_data(lines, longest),
        *without_timestamp(lines, now_ms),
        *without_id(lines, now_ms),
    ]


def _of_blank_type(lines: list[Line]) -> list[Line]:
    if not any(type.isspace() for type in {line.type for line in lines}):
        return []
    return [line for line in lines if line.type.isspace()]


def _of_unfit_metadata(lines: list[Line]) -> Iterator[Line]:
    if [line.metadata for line in lines].count(None) < len(lines):
        for line in lines:
            try:
                line.metadata = plain(line.metadata or None, name="metadata")
            except NotJSON:
                yield line
