"""JSON values: any Python value made plain once, at the door, and two ways to write it as bytes.

`plain` bounds depth and size while it walks, so that circular, endlessly shared or huge data is
refused in bounded time and memory; whatever passed it can be encoded by every format.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum, StrEnum
from pathlib import PurePath
from typing import Any
from uuid import UUID

import msgspec

MAX_DEPTH = 100
MAX_BYTES = 10 * 1024 * 1024
MAX_INT_BITS = 1024  # about 308 digits: past that, readers (and Python itself) refuse to parse

Dumps = Callable[[Any], bytes]


class NotJSON(ValueError):
    """A value that JSON cannot carry; `str()` names where it is and why."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why
        self.where = ""

    def __str__(self) -> str:
        return f"{self.where or 'it'} {self.why}"


def plain(value: Any, *, name: str = "data", max_bytes: int = MAX_BYTES) -> Any:
    """Return a copy made of dict, list, str, int, float, bool and None only; else raise `NotJSON`.

    datetime, UUID, Decimal, Enum, set, bytes (as base64), paths and IP addresses become strings
    or lists. NaN, infinity, keys that are no strings, and over `max_bytes` characters are refused.
    """
    try:
        walk = _Walk(max_bytes)
        return walk.mapping(value, 0) if type(value) is dict else walk.value(value, 0)
    except NotJSON as error:
        error.where = name + error.where
        raise


def is_plain(value: dict[Any, Any], room: int) -> bool:
    """Whether it is sure that `plain` would copy this as it is, in far less than so many characters.

    Exact types only: a subclass may give other items than it holds. Integers may still be too long.
    """
    return _room_left(value, room) >= 0


def _room_left(container: dict[Any, Any] | list[Any], room: int) -> int:
    room -= 8 * len(container)
    values: Iterable[Any] = container
    if type(container) is dict:
        try:
            room -= len("".join(container))
        except TypeError:
            return -1  # a key that is no text
        values = container.values()
    for value in values:
        kind = type(value)
        if kind is str:
            room -= len(value)
        elif kind is dict or kind is list:
            room = _room_left(value, room)
            if room < 0:
                return -1
        elif kind is float:
            if not math.isfinite(value):
                return -1
        elif (
            kind is not int
            and value is not None
            and kind is not bool
            and not isinstance(value, StrEnum)
        ):
            return -1
    return room


class _Walk:
    """One walk over a value: `left` is the room that remains, in characters of output at least."""

    __slots__ = ("left", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = self.left = limit

    def value(self, value: Any, depth: int) -> Any:  # noqa: PLR0911 - one line for each type
        kind = type(value)
        if kind is str:
            self._take(len(value))
            return whole_text(value)
        if kind is bool or value is None:
            return value
        if kind is dict:
            return self.mapping(value, depth)
        if kind is list or kind is tuple:
            return self._sequence(value, depth)
        if kind is int:
            bits = value.bit_length()
            if bits > 64:  # else its digits are few, and come with the container's charge
                if bits > MAX_INT_BITS:
                    raise NotJSON(f"is an integer of more than {MAX_INT_BITS} bits")
                self._take(bits * 3 // 10)
            return value
        if kind is float:
            if not math.isfinite(value):
                raise NotJSON(f"is {value}, which JSON does not have")
            return value
        return self._other(value, depth)

    def mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        if depth >= MAX_DEPTH:
            raise NotJSON(f"is nested deeper than {MAX_DEPTH} levels, or contains itself")
        plain_dict: dict[str, Any] = {}
        size = 4 * len(value)
        for key, item in value.items():
            if type(key) is not str or not key.isascii():
                key = _key(key)
            size += len(key)
            if type(item) is str and item.isascii():  # as most are; a call for each would cost most
                size += len(item)
                plain_dict[key] = item
                continue
            try:
                plain_dict[key] = self.value(item, depth + 1)
            except NotJSON as error:
                error.where = f".{_short(key)}{error.where}" if depth < 8 else error.where
                raise
        self._take(size)
        if len(plain_dict) < len(value):  # such as an Enum's member, and the text it stands for
            raise NotJSON("has the same key twice")
        return plain_dict

    def _sequence(self, value: Any, depth: int) -> list[Any]:
        if depth >= MAX_DEPTH:
            raise NotJSON(f"is nested deeper than {MAX_DEPTH} levels, or contains itself")
        self._take(2 * len(value))
        items: list[Any] = []
        for position, item in enumerate(value):
            try:
                items.append(self.value(item, depth + 1))
            except NotJSON as error:
                error.where = f"[{position}]{error.where}" if depth < 8 else error.where
                raise
        return items

    def _other(self, value: Any, depth: int) -> Any:  # noqa: PLR0911 - one line for each type
        if isinstance(value, Enum):
            return self.value(value.value, depth)
        for base in (str, int, float):  # a subclass is in JSON what its base is
            if isinstance(value, base):
                return self.value(base.__str__(value) if base is str else base(value), depth)
        if isinstance(value, Mapping):
            return self.mapping(value, depth)
        if isinstance(value, (set, frozenset)):
            return sorted(self._sequence(list(value), depth), key=canonical_json)
        if isinstance(value, (bytes, bytearray, memoryview)):
            self._take(memoryview(value).nbytes * 4 // 3)
            return base64.b64encode(bytes(value)).decode("ascii")
        if isinstance(value, (list, tuple)):
            return self._sequence(value, depth)
        return self.value(_text(value), depth)

    def _take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise NotJSON(f"is larger than the limit of {self.limit} bytes for one event")


def _text(value: Any) -> str:
    """The text by which JSON carries a value that it has no type for."""
    if isinstance(value, datetime):
        return format_timestamp(value) if value.tzinfo else value.isoformat()
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, Decimal) and not value.is_finite():
        raise NotJSON(f"is {value}, which JSON does not have")
    if isinstance(value, _TEXT_TYPES):
        return str(value)
    raise NotJSON(f"is of type {type(value).__name__}, which has no form in JSON")


_TEXT_TYPES = (
    Decimal,
    UUID,
    PurePath,
    ipaddress.IPv4Address,
    ipaddress.IPv6Address,
    ipaddress.IPv4Network,
    ipaddress.IPv6Network,
    ipaddress.IPv4Interface,
    ipaddress.IPv6Interface,
)


def _key(key: Any) -> str:
    if isinstance(key, Enum) and isinstance(key.value, str):
        return whole_text(key.value)
    if isinstance(key, str):
        return whole_text(key)
    raise NotJSON(f"has a key of type {type(key).__name__}; keys are strings")


def whole_text(text: str) -> str:
    """An exact `str`, its surrogate pairs joined: as readers of the JSON will see and sort it."""
    if type(text) is str and text.isascii():
        return text
    text = str.__str__(text)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # what is still alone then stays as it is
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    return text


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"


def format_timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with `Z`; milliseconds only where they are not zero."""
    if moment.tzinfo is not UTC:
        try:
            moment = moment.astimezone(UTC)
        except OverflowError:  # within a day of the first or the last year's end
            return moment.isoformat()
    text: str = msgspec.to_builtins(moment)  # as isoformat, with Z, and in a tenth of the time
    if moment.microsecond == 0:
        return text
    return text[:23] + "Z" if moment.microsecond >= 1000 else text[:19] + "Z"


def what_is_wrong(error: json.JSONDecodeError) -> str:
    """What a text's fault is, to be told before its place: some of these messages end in "at"."""
    return error.msg.removesuffix(" at")


_compact_encoder = msgspec.json.Encoder()
_ascii_encoder = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
_canonical_encoder = json.JSONEncoder(sort_keys=True, allow_nan=False)


def compact_json(value: Any) -> bytes:
    """The fewest bytes; for plain values only (see `plain`)."""
    try:
        return _compact_encoder.encode(value)
    except (UnicodeEncodeError, OverflowError):
        # Lone surrogates have no UTF-8, and msgspec stops at 64-bit integers: \\uXXXX carries both.
        return _ascii_encoder.encode(value).encode("ascii")


def canonical_json(value: Any) -> bytes:
    """Exactly `json.dumps(value, sort_keys=True)`: a verifier that re-serialises gets these bytes."""
    return _canonical_encoder.encode(value).encode("ascii")
