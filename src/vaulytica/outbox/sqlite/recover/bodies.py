"""Bodies out of damaged pages: the lines that are events still, and single bits that have flipped put back."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

import msgspec

from vaulytica.errors import WebhookEventError
from vaulytica.events import Event
from vaulytica.lines import Line, decode
from vaulytica.outbox.sqlite.checksum import PIECE, checksum, crc32


class Mended(msgspec.Struct, frozen=True):
    """Lines that are as they were put; and those that are events, but may have been altered."""

    good: list[bytes]
    doubtful: list[bytes]


def mended(body: bytes, crc: bytes | None) -> Mended:
    """What can be had of a body with that checksum."""
    if crc is not None and checksum(body) == crc:
        return Mended(body.splitlines(keepends=True), [])
    sums = None if crc is None or len(crc) % 4 else struct.unpack(f"<{len(crc) // 4}I", crc)
    if sums is None or len(sums) != -(-len(body) // PIECE):
        lines = [line for _, line in _lines(body) if _is_event(line)]
        return Mended(lines, []) if crc is None else Mended([], lines)
    pieces = [body[at : at + PIECE] for at in range(0, len(body), PIECE)]
    pieces = [_put_back(piece, said) for piece, said in zip(pieces, sums, strict=True)]
    is_whole = [crc32(piece) == said for piece, said in zip(pieces, sums, strict=True)]
    good, doubtful = [], []
    for at, line in _lines(b"".join(pieces)):
        if all(is_whole[at // PIECE : (at + len(line) - 1) // PIECE + 1]):
            good.append(line)
        elif _is_event(line):
            doubtful.append(line)
    return Mended(good, doubtful)


def _lines(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Each whole line, and where it begins."""
    at = 0
    while (end := body.find(b"\n", at)) >= 0:
        yield at, body[at : end + 1]
        at = end + 1


def _is_event(line: bytes) -> bool:
    entries, _ = decode(line, 0)
    (entry,) = entries if len(entries) == 1 else (None,)
    if isinstance(entry, Line):
        return True
    try:
        return isinstance(entry, Mapping) and Event.from_mapping(entry) is not None
    except WebhookEventError:
        return False


def _put_back(piece: bytes, crc: int) -> bytes:
    """The piece that has this CRC and differs by one bit, or not at all; the piece itself if there is none.

    What a flipped bit does to a CRC depends only on how far it is from the end: a zero byte behind it
    turns the difference on by one step. So the difference is turned back, until it is that of a bit in
    the last byte.
    """
    difference = crc32(piece) ^ crc
    for at in reversed(range(len(piece)) if difference else ()):
        bit = _LAST.get(difference)
        if bit is not None:
            return piece[:at] + bytes([piece[at] ^ bit]) + piece[at + 1 :]
        index = _BY_TOP[difference >> 24]
        difference = ((difference ^ _TABLE[index]) << 8 | index) & 0xFFFFFFFF
    return piece


def _entry(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ (0xEDB88320 if value & 1 else 0)
    return value


_TABLE = [_entry(value) for value in range(256)]  # CRC-32's own
_BY_TOP = {entry >> 24: index for index, entry in enumerate(_TABLE)}
_LAST = {_TABLE[1 << bit]: 1 << bit for bit in range(8)}
