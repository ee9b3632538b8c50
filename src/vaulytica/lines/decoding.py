r"""Decodes whole lines: into a `Line` where the bytes of its data are as good as the data itself.

What is in doubt (escapes by `\u`, deep nesting, huge numbers) is read the thorough way.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import msgspec

from vaulytica.jsonvalues import MAX_BYTES, NotJSON, plain
from vaulytica.lines.data import of_unfit_data
from vaulytica.lines.ids import NewIds
from vaulytica.lines.line import Line
from vaulytica.lines.lines import AsRead, Entries, Lines
from vaulytica.lines.stamps import have_timestamps, ids_of, without_timestamp
from vaulytica.lines.thorough import read

_decode = msgspec.json.Decoder(Line).decode
_UNFIT = (ValueError, RecursionError)  # msgspec's errors and those of UTF-8 are ValueErrors


def decode(
    block: bytes, now_ms: int, *, fit: bool = False
) -> tuple[Lines | Entries, list[int] | None]:
    """The entries of whole lines, and on which of them each stands, from 0; None: one on each.

    Entries other than `Lines` are each a `Line`; or the JSON value of a line in doubt, for
    `Event.from_mapping` to judge; or a `WebhookEventError` that says why the line is not JSON. Blank
    lines have none. `fit`: of those that are events, only timestamps and ids can be in doubt.
    """
    well = decode_well(block, now_ms, fit=fit)
    if well is None:
        return _one_by_one(BytesIO(block).readlines(), now_ms)
    return well, None


def decode_well(block: bytes, now_ms: int, *, fit: bool = False) -> Lines | Entries | None:
    """The same where an event stands on each line; soon None where one is none, or is blank."""
    texts = BytesIO(block).readlines()
    # msgspec does not look into what it leaves as bytes.
    rows = _all(texts) if len(block) <= MAX_BYTES and _is_utf8(block) else None
    return None if rows is None else _judged(rows, texts, now_ms, fit=fit)


def decode_kept(block: bytes) -> Lines | None:
    """Lines that `encode` wrote: they were judged before. None where `decode` has to look again."""
    if b"\\u" in block:
        return None
    rows = _all(BytesIO(block).readlines())
    if rows is None or (b".000Z" in block and not have_timestamps(rows)):
        return None
    return Lines(rows, [row.id for row in rows])


def decode_texts(texts: list[bytes], now_ms: int) -> Lines | Entries:
    """The same of texts that are JSON in UTF-8, and none of them blank."""
    rows = _all(texts)
    return _one_by_one(texts, now_ms)[0] if rows is None else _judged(rows, texts, now_ms)


def _judged(
    rows: list[Line], texts: list[bytes], now_ms: int, *, fit: bool = False
) -> Lines | Entries:
    doubtful, is_all_said = _doubtful(rows, now_ms, fit=fit)
    ids, nameless = ids_of(rows, now_ms)
    if not doubtful and not nameless:
        if is_all_said and (isinstance(ids, NewIds) or all(row.id for row in rows)):
            return Lines(rows, ids, (AsRead(texts), range(len(rows))))
        return Lines(rows, ids)
    return _read_again(rows, [*doubtful, *nameless], texts, Lines(rows, ids))


def _one_by_one(texts: list[bytes], now_ms: int) -> tuple[Entries, list[int] | None]:
    texts, numbers = _not_blank(texts)
    entries = [_one(text) for text in texts]
    rows = [entry for entry in entries if type(entry) is Line]
    doubtful, _ = _doubtful(rows, now_ms)
    ids, nameless = ids_of(rows, now_ms)
    return _read_again(entries, [*doubtful, *nameless], texts, Lines(rows, ids)), numbers


def _read_again(
    entries: list[Any], doubtful: list[Line], texts: list[bytes], lines: Lines
) -> Entries:
    """The entries, but the thorough reading of those in doubt; the other lines with their ids."""
    again = {id(line) for line in doubtful}
    list(lines)  # each is given its id
    return Entries(
        read(_bare(text)) if id(entry) in again else entry
        for entry, text in zip(entries, texts, strict=True)
    )


def decode_values(block: bytes) -> tuple[Entries, list[int] | None]:
    """The same without any `Line`: all lines are read by `read`."""
    texts, numbers = _not_blank(BytesIO(block).readlines())
    return Entries(read(_bare(text)) for text in texts), numbers


def _bare(text: bytes) -> bytes:
    """Without the end of the line, which messages would count as a column."""
    return text.removesuffix(b"\n")


def _not_blank(texts: list[bytes]) -> tuple[list[bytes], list[int] | None]:
    numbers = [number for number, text in enumerate(texts) if not text.isspace()]
    if len(numbers) == len(texts):
        return texts, None
    return [texts[number] for number in numbers], numbers


def _is_utf8(block: bytes) -> bool:
    try:
        return block.isascii() or block.decode() is not None
    except UnicodeDecodeError:
        return False


def _all(texts: list[bytes]) -> list[Line] | None:
    """All lines, if each of them is an event; by far the most often they are."""
    try:
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
    return read(_bare(text))


def _doubtful(lines: list[Line], now_ms: int, *, fit: bool = False) -> tuple[list[Line], bool]:
    """Those to be read the thorough way, and whether all the others say all as an event would, but perhaps their ids.

    All are given the timestamp that an event would print.
    """
    said = have_timestamps(lines)
    doubtful = [] if said else list(without_timestamp(lines, now_ms))
    if not fit:
        doubtful += _of_blank_type(lines)
        doubtful += of_unfit_data(lines)
        if [line.metadata for line in lines].count(None) < len(lines):
            said = False
            doubtful += _of_unfit_metadata(lines)
    return doubtful, said


def _of_blank_type(lines: list[Line]) -> list[Line]:
    if not any(type.isspace() for type in {line.type for line in lines}):
        return []
    return [line for line in lines if line.type.isspace()]


def _of_unfit_metadata(lines: list[Line]) -> Iterator[Line]:
    for line in lines:
        try:
            line.metadata = plain(line.metadata or None, name="metadata")
        except NotJSON:
            yield line
