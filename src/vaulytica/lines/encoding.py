"""Writes events as lines that `decode` reads at full speed: as they were read, or with everything set."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from io import BytesIO

import msgspec

from vaulytica.events import Event
from vaulytica.jsonvalues import compact_json
from vaulytica.lines.ids import TAILS, NewIds
from vaulytica.lines.line import Line
from vaulytica.lines.lines import Lines

_TAILS = [f'{tail}"}}\n'.encode() for tail in TAILS]  # as a line ends
_encode_lines = msgspec.json.Encoder().encode_lines


def encode(entries: Iterable[Event | Line]) -> bytes:
    """One line for each, in order, with its end."""
    if isinstance(entries, Lines) and (body := _as_read(entries)) is not None:
        return body
    entries = list(entries)
    if set(map(type, entries)) == {Line}:
        try:
            block: bytes = _encode_lines(entries)
        except UnicodeEncodeError:  # a lone surrogate has no UTF-8
            pass
        else:
            # Data may have line ends between its parts, where it was not read from a line.
            if len(BytesIO(block).readlines()) == len(entries) and b"\r" not in block:
                return block
    return b"".join([_of(entry) + b"\n" for entry in entries])


def _as_read(lines: Lines) -> bytes | None:
    """The lines as they were read, each with the id that it was given; None if that is not all of them."""
    if lines.as_read is None:
        return None
    texts, which = lines.as_read
    objects = texts.objects(which)
    if objects is None:
        return None
    if isinstance(lines.ids, NewIds):
        body = b"".join(_with_ids(objects, lines.ids))
    else:  # they had their own
        body = b"}\n".join([*objects, b""])
    return None if b"\r" in body else body


def _with_ids(objects: list[bytes], ids: NewIds) -> Iterator[bytes]:
    """The pieces of the lines: the beginning, what the ids have in common, and the rest of the line."""
    at = 0
    for head, some in ids.heads():
        tails = _TAILS[some]
        pieces = [f',"id":"{head}'.encode()] * (3 * len(tails))
        pieces[::3], pieces[2::3] = objects[at : at + len(tails)], tails
        at += len(tails)
        yield from pieces


def _of(entry: Event | Line) -> bytes:
    if isinstance(entry, Line):
        data, timestamp = json.loads(bytes(entry.data)), entry.timestamp
    else:
        data, timestamp = entry.data, entry.rfc3339
    document = {
        "type": entry.type,
        "data": data,
        "severity": entry.severity,
        "timestamp": timestamp,
        "id": entry.id,
        "source": entry.source,
        "metadata": entry.metadata,
    }
    return compact_json(document)
