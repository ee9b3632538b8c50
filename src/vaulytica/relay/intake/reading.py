"""Reads events from a request's body: JSON (one event, or an array) and NDJSON. All of them, or a `Refusal`."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import BytesIO
from typing import Any

import msgspec

from vaulytica.errors import WebhookEventError
from vaulytica.events import Event
from vaulytica.jsonvalues import what_is_wrong
from vaulytica.lines import Entries, Line, Lines, decode, decode_values, decode_well, why_not_json
from vaulytica.relay.door.accept import Entry
from vaulytica.relay.intake.duplicates import SHAPES, first_duplicate, is_unique
from vaulytica.relay.intake.refusal import Refusal
from vaulytica.relay.intake.settings import IntakeLimits

_BLOCK = 64 * 1024  # bytes read at once; between two, others have their turn
_AGAIN = 256 * 1024  # bytes of a document that are looked at again to say what is wrong
_BOM = b"\xef\xbb\xbf"
_BYTE = re.compile(r"(.*) \(byte (\d+)\)")


Make = Callable[[Any, int], Event]
"""An event from a JSON value, of so many bytes at most; raises `WebhookEventError`."""


class _Object(msgspec.Struct, gc=False):
    """Any JSON object."""


_is_object = msgspec.json.Decoder(_Object).decode
_are_objects = msgspec.json.Decoder(list[_Object]).decode
_split = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Reader:
    """Reads one body, block by block; `limits` bound the events of all blocks together."""

    def __init__(self, limits: IntakeLimits) -> None:
        self._limits = limits
        self._count = 0

    def lines(self, body: bytes) -> Iterator[Sequence[Entry]]:
        """From NDJSON."""
        first = 1
        for block in _blocks(body.removeprefix(_BOM)):
            yield self._block(block, first, "line")
            first += block.count(b"\n")

    def block(self, body: bytes) -> Sequence[Entry]:
        """The same, all of it at once."""
        return self._block(body.removeprefix(_BOM), 1, "line")

    def well(self, body: bytes) -> Sequence[Entry] | None:
        """The same where it costs little: None if not all lines are events at first sight."""
        try:
            return self._block(body.removeprefix(_BOM), 1, "line", decode=_decode_well)
        except Refusal:
            return None

    def json(self, body: bytes) -> Iterator[Sequence[Entry]]:
        """From one event, or an array; or lines where it plainly is some."""
        body = body.removeprefix(_BOM)
        if body.lstrip()[:1] == b"[":
            return self.array(self.objects(body))
        return self.lines(body) if _is_lines(body) else self.array([self.one(body)])

    def array(self, texts: list[bytes]) -> Iterator[Sequence[Entry]]:
        """From JSON texts of one line each."""
        return self.values(texts, None)

    def values(self, texts: list[bytes], make: Make | None) -> Iterator[Sequence[Entry]]:
        """The same, where `make` makes the events of what is read."""
        first = 1
        for block in _blocks(b"".join([text + b"\n" for text in texts])):
            yield self._block(block, first, "event" if len(texts) > 1 else "", make)
            first += block.count(b"\n")

    def one(self, body: bytes) -> bytes:
        """One JSON value on one line."""
        try:
            return msgspec.json.format(body.removeprefix(_BOM), indent=-1)
        except (ValueError, RecursionError) as error:
            raise _not_json(body, error) from None

    def objects(self, body: bytes) -> list[bytes]:
        """The elements of an array of objects, as JSON texts of one line each."""
        try:
            count = len(_are_objects(body))
            self._room_for(count)
            whole = msgspec.json.format(body, indent=-1) if b"\n" in body or b"\r" in body else body
            return [bytes(raw) for raw in _split(whole)]
        except msgspec.ValidationError as error:
            at = re.search(r"\$\[(\d+)\]", str(error))
            event = int(at[1]) + 1 if at else None
            raise Refusal(400, "an event must be an object with a type", event=event) from None
        except (ValueError, RecursionError) as error:
            raise _not_json(body, error) from None

    def _room_for(self, count: int) -> None:
        self._count += count
        if self._count > self._limits.events:
            raise Refusal(413, f"more than {self._limits.events} events in one request")

    def _block(
        self,
        block: bytes,
        first: int,
        where: str,
        make: Make | None = None,
        *,
        decode: Callable[..., tuple[Lines | Entries, list[int] | None]] = decode,
    ) -> Sequence[Entry]:
        """The events of whole lines; `where`: what a position is called in an error."""
        numbers: list[int] | None
        now_ms = time.time_ns() // 1_000_000
        try:
            _check(block, self._limits.event)
            unique, known = SHAPES.look(block)
            fit = known and unique == len(block)
            entries, numbers = decode_values(block) if make else decode(block, now_ms, fit=fit)
            if where != "event":  # those of an array are counted before they are cut
                self._room_for(len(entries))
            if unique < len(block):
                _check_unique(block, numbers, unique)
            return _events(entries, numbers, self._limits.event, make or _event)
        except _At as error:
            at = first + error.number
            line, event = at if where == "line" else None, at if where == "event" else None
            raise Refusal(error.status, error.why, line=line, event=event) from None


class _At(Exception):
    """What is wrong, and on which line of the block, from 0."""

    def __init__(self, number: int, why: str, status: int = 400) -> None:
        self.number, self.why, self.status = number, why, status


def _decode_well(block: bytes, now_ms: int, *, fit: bool) -> tuple[Lines | Entries, None]:
    entries = decode_well(block, now_ms, fit=fit)
    if entries is None:
        raise _At(0, "a line is no event at first sight")
    return entries, None


def _blocks(body: bytes) -> Iterable[bytes]:
    """Whole lines, so many that they are about a block."""
    at = 0
    while len(body) - at > _BLOCK:
        end = body.find(b"\n", at + _BLOCK) + 1
        if not end:
            break
        yield body[at:end]
        at = end
    yield body[at:] if at else body


def _check(block: bytes, most: int) -> None:
    """Whether its lines are short enough, and without NUL."""
    if len(block) > most and max(map(len, BytesIO(block).readlines())) > most:
        for number, text in enumerate(block.split(b"\n")):
            if len(text) > most:
                raise _At(number, f"the event is larger than {most} bytes", 413)
    if (at := block.find(0)) >= 0:
        number = block.count(b"\n", 0, at)
        column = at - block.rfind(b"\n", 0, at)
        raise _At(number, f"not valid JSON: a NUL byte at column {column}")


def _check_unique(block: bytes, numbers: list[int] | None, seen: int) -> None:
    """`seen`: of so many bytes it is known."""
    if numbers is None and is_unique(block[seen:]):
        return
    texts = block.removesuffix(b"\n").split(b"\n")
    if numbers is not None:
        texts = [texts[number] for number in numbers]
    if (found := first_duplicate(texts)) is not None:
        at, key = found
        raise _At(at if numbers is None else numbers[at], f"the key {_shown(key)} stands twice")


def _events(
    entries: Lines | Entries, numbers: list[int] | None, most: int, make: Make
) -> Sequence[Entry]:
    """Each a `Line` or an `Event`."""
    if isinstance(entries, Lines):
        return entries
    events: list[Entry] = []
    for at, entry in enumerate(entries):
        try:
            if isinstance(entry, WebhookEventError):
                raise entry
            events.append(entry if isinstance(entry, Line) else _whole(make(entry, most)))
        except WebhookEventError as error:
            raise _At(at if numbers is None else numbers[at], str(error)) from None
    return events


def _event(value: Any, most: int) -> Event:
    return Event.from_mapping(value, max_bytes=most)


def _whole(event: Event) -> Event:
    if _has_lone_surrogate((event.type, event.source, event.data, event.metadata)):
        raise WebhookEventError("text has a lone surrogate, which is no character")
    return event


def _has_lone_surrogate(value: Any) -> bool:
    """Of what `plain` has passed: it is not nested deep."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return True
        return False
    if isinstance(value, dict):
        return any(_has_lone_surrogate(key) or _has_lone_surrogate(value[key]) for key in value)
    if isinstance(value, (list, tuple)):
        return any(map(_has_lone_surrogate, value))
    return False


def _is_lines(body: bytes) -> bool:
    """Whether it is events one on a line, and not one that spans lines."""
    first, _, rest = body.lstrip().partition(b"\n")
    if not (rest := rest.lstrip()):
        return True
    try:
        _is_object(first)
    except (ValueError, RecursionError):
        return first.rstrip().endswith(b"}") and rest.startswith(b"{")
    return True


def _not_json(body: bytes, error: Exception) -> Refusal:
    """What is wrong with a document; msgspec says only roughly where."""
    if isinstance(error, RecursionError):
        return Refusal(400, "nested too deep")
    found = _BYTE.fullmatch(str(error))
    line = column = None
    if len(body) <= _AGAIN:
        why, line, column = _second_opinion(body)
    elif found is None:
        why = "it ends too early" if "truncated" in str(error) else str(error)
    else:
        why, at = found[1].rpartition(": ")[2], int(found[2])
        line, column = body.count(b"\n", 0, at) + 1, at - body.rfind(b"\n", 0, at)
    at_column = f" at column {column}" if column else ""
    return Refusal(400, f"not valid JSON: {why}{at_column}", line=line)


def _second_opinion(body: bytes) -> tuple[str, int | None, int | None]:
    try:
        json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        return what_is_wrong(error), error.lineno, error.colno
    except (ValueError, RecursionError) as error:
        return why_not_json(error), None, None
    return "text has a lone surrogate, which is no character", None, None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _shown(key: str) -> str:
    return repr(key if len(key) <= 40 else key[:39] + "…")
