"""Timestamps as an event prints them, and ids for lines that have none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime

import msgspec

from vaulytica.errors import WebhookEventError
from vaulytica.events import parse_timestamp
from vaulytica.jsonvalues import format_timestamp
from vaulytica.lines.line import Line

_SECONDS, _MILLISECONDS = b"0000-00-00T00:00:00Z\n", b"0000-00-00T00:00:00.000Z\n"
_DIGIT_SHAPE = bytes.maketrans(b"123456789", b"000000000")


def without_timestamp(lines: list[Line], now_ms: int) -> Iterator[Line]:
    """Set all timestamps as `Event.rfc3339` prints them; those for which there is none."""
    stamps = [line.timestamp for line in lines]
    joined = "\n".join([*stamps, ""]).encode()
    shape = joined.translate(_DIGIT_SHAPE)
    even = shape == _MILLISECONDS * len(lines)
    if (even or shape.replace(b".000Z", b"Z") == _SECONDS * len(lines)) and _are_dates(stamps):
        for position in _whole_seconds(joined, stamps, even=even):
            lines[position].timestamp = stamps[position][:19] + "Z"
        return
    now = format_timestamp(parse_timestamp(now_ms / 1000))
    for line, stamp in zip(lines, stamps, strict=True):
        try:
            line.timestamp = format_timestamp(parse_timestamp(stamp)) if stamp else now
        except WebhookEventError:
            yield line


def _whole_seconds(joined: bytes, stamps: list[str], *, even: bool) -> Iterator[int]:
    """The positions of those whose milliseconds are zero, which an event does not print."""
    if not even:
        yield from (position for position, stamp in enumerate(stamps) if stamp.endswith(".000Z"))
        return
    at = joined.rfind(b".000Z")
    while at >= 0:
        yield at // len(_MILLISECONDS)
        at = joined.rfind(b".000Z", 0, at)


def _are_dates(stamps: list[str]) -> bool:
    try:
        msgspec.convert(stamps, list[datetime])
    except msgspec.ValidationError:
        return False
    return True


def without_id(lines: list[Line], now_ms: int) -> list[Line]:
    """Set the ids that are absent; those whose own is no id."""
    given = "".join([line.id for line in lines])
    absent = [line for line in lines if not line.id] if given else lines
    for line, id in zip(absent, uuid7s(len(absent), now_ms), strict=True):
        line.id = id
    return [] if _is_visible(given) else [line for line in lines if not _is_visible(line.id)]


def _is_visible(id: str) -> bool:
    return id.isascii() and id.isprintable() and " " not in id


_TAILS = [f"{number:03x}" for number in range(4096)]


def uuid7s(count: int, now_ms: int) -> list[str]:
    """UUIDv7s in rising order: of 4096 each 62 bits are random, and 12 count (RFC 9562, 6.2, method 2)."""
    moment = f"{now_ms:012x}"
    ids: list[str] = []
    while len(ids) < count:
        chance = os.urandom(8).hex()
        head = (
            f"{moment[:8]}-{moment[8:]}-7{chance[:3]}-{'89ab'[int(chance[3], 16) & 3]}{chance[4:7]}"
        )
        head += f"-{chance[7:]}"
        ids += [head + tail for tail in _TAILS[: count - len(ids)]]
    return ids
