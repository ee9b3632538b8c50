"""Timestamps as an event prints them, and ids for lines that have none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec

from vaulytica.errors import WebhookEventError
from vaulytica.events import parse_timestamp
from vaulytica.jsonvalues import format_timestamp
from vaulytica.lines.ids import new_ids
from vaulytica.lines.line import Line

_SECONDS, _MILLISECONDS = b"0000-00-00T00:00:00Z\n", b"0000-00-00T00:00:00.000Z\n"
_DIGIT_SHAPE = bytes.maketrans(b"123456789", b"000000000")


def have_timestamps(lines: list[Line]) -> bool:
    """Whether each has one as programs mostly write it; then it is set as `Event.rfc3339` prints it."""
    stamps = [line.timestamp for line in lines]
    joined = "\n".join([*stamps, ""]).encode()
    shape = joined.translate(_DIGIT_SHAPE)
    even = shape == _MILLISECONDS * len(lines)
    if not even and shape.replace(b".000Z", b"Z") != _SECONDS * len(lines):
        return False
    if not _are_dates(stamps):
        return False
    for position in _whole_seconds(joined, stamps, even=even):
        lines[position].timestamp = stamps[position][:19] + "Z"
    return True


def without_timestamp(lines: list[Line], now_ms: int) -> Iterator[Line]:
    """Set all timestamps as `Event.rfc3339` prints them; those for which there is none."""
    now = format_timestamp(parse_timestamp(now_ms / 1000))
    for line in lines:
        stamp = line.timestamp
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


def ids_of(rows: list[Line], now_ms: int) -> tuple[Sequence[str], list[Line]]:
    """An id for each, its own or a new one; and those whose own is no id."""
    ids: Sequence[str] = [row.id for row in rows]
    given = "".join(ids)
    if not given:
        return new_ids(len(rows), now_ms), []
    new = iter(new_ids(ids.count(""), now_ms))
    ids = [id or next(new) for id in ids]
    return ids, [] if _is_visible(given) else [row for row in rows if not _is_visible(row.id)]


def _is_visible(id: str) -> bool:
    return id.isascii() and id.isprintable() and " " not in id
