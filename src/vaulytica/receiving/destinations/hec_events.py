"""Reading a HEC body the way Splunk does: object after object, until one is wrong.

Sources: Splunk's "Format events for HTTP Event Collector" and "Troubleshoot HTTP Event Collector".
What they leave open follows what others measured on Splunk 10.4, marked (measured).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from vaulytica.receiving.destinations.bodies import Exponent, after_space, json_value
from vaulytica.receiving.destinations.hec_codes import HecFault

BAD_FORMAT, WRONG_INDEX, NO_EVENT, BLANK_EVENT, BAD_FIELDS = 6, 7, 12, 13, 15
_ENVELOPE = frozenset({"event", "time", "host", "source", "sourcetype", "index", "fields"})
_METADATA = ("host", "source", "sourcetype", "index")
_DECIMAL = re.compile(r"\d+(\.\d*)?")


@dataclass
class HecBody:
    """What a body holds: events with their numbers (from 0), and why it was read no further."""

    events: list[tuple[int, Any]] = field(default_factory=list)
    skipped: list[tuple[Any, str]] = field(default_factory=list)
    fault: HecFault | None = None
    is_empty: bool = False


def read_events(body: bytes, indexes: Collection[str] | None) -> HecBody:
    """Read the body of `/event`; `indexes` are those the token may write to, None for any."""
    read = HecBody(is_empty=True)
    try:
        for number, value in enumerate(_objects(body)):
            read.is_empty = False
            unknown = value.keys() - _ENVELOPE if isinstance(value, dict) else ()
            if (
                unknown
            ):  # answered 200 if anything came before, and nothing more is taken (measured)
                read.is_empty = number == 0
                read.skipped.append((value, f"unknown key {min(unknown)}, and all after it"))
                break
            _check(value, number, indexes)
            if "event" in value:
                read.events.append((number, value))
            else:  # (measured): taken for a metric
                read.skipped.append((value, "fields without an event"))
    except HecFault as fault:
        read.is_empty, read.fault = False, fault
    return read


def read_lines(body: bytes, metadata: dict[str, str], indexes: Collection[str] | None) -> HecBody:
    """Read the body of `/raw`: one event a line, as a source type that breaks at line ends has it."""
    named = {name: metadata[name] for name in _METADATA if name in metadata}
    if not _may_write(named.get("index"), indexes):
        return HecBody(fault=HecFault(WRONG_INDEX, f"index {named['index']}"))
    lines = body.decode("utf-8", "replace").splitlines()
    events = [(n, {"event": line, **named}) for n, line in enumerate(lines) if line.strip()]
    return HecBody(events, is_empty=not events)


def _may_write(index: Any, indexes: Collection[str] | None) -> bool:
    """Without an index named, the token's own is meant."""
    return index is None or indexes is None or index in indexes


def _objects(body: bytes) -> Iterator[Any]:
    """One value after another; arrays are batches too (measured)."""
    try:
        text, is_whole = body.decode("utf-8"), True
    except UnicodeDecodeError as error:
        text, is_whole = body[: error.start].decode("utf-8"), False
    number, at = 0, after_space(text, 0)
    while at < len(text):
        try:
            value, end = json_value(text, at)
        except ValueError as error:
            raise HecFault(BAD_FORMAT, str(error), number) from None
        values = value if isinstance(value, list) else [value]
        yield from values
        number += len(values)
        at = after_space(text, end)
    if not is_whole:
        raise HecFault(BAD_FORMAT, "not UTF-8", number)


def _check(value: Any, number: int, indexes: Collection[str] | None) -> None:
    code, why = _wrong(value)
    if code:
        raise HecFault(code, why, number, value)
    if not _may_write(value.get("index"), indexes):
        # This code, and no other, counts from 1 (measured, and shown in the manual of SC4S).
        raise HecFault(WRONG_INDEX, f"index {value['index']}", number + 1, value)


def _wrong(value: Any) -> tuple[int, str]:
    """What is wrong with an event: code and reason; 0 if nothing is."""
    if not isinstance(value, dict):
        return BAD_FORMAT, "not an object"
    event = value.get("event", "fields only")
    names = [value.get(name, "") for name in _METADATA]
    rules = (
        (not value.keys() & {"event", "fields"}, NO_EVENT, "no event"),
        (isinstance(event, str) and not event.strip(), BLANK_EVENT, "a blank event"),
        (event is None or event is False, BAD_FORMAT, "null or false as event"),  # (measured)
        (not all(isinstance(name, str) for name in names), BAD_FORMAT, "host, index… is no string"),
        (not _is_time(value.get("time", 0)), BAD_FIELDS, "time is no number of seconds"),
        (not _is_flat(value.get("fields", {})), BAD_FIELDS, "fields are not flat"),
    )
    return next(((code, why) for is_wrong, code, why in rules if is_wrong), (0, ""))


def _is_time(time: Any) -> bool:
    """A number, or a string of one; spelled with an exponent it is refused (reported of Splunk 10)."""
    if isinstance(time, str):
        return _DECIMAL.fullmatch(time) is not None
    return isinstance(time, int | float) and not isinstance(time, bool | Exponent) and time >= 0


def _is_flat(fields: Any) -> bool:
    """Plain values by name, or lists of them."""
    if not isinstance(fields, dict):
        return False
    values = [one for v in fields.values() for one in (v if isinstance(v, list) else [v])]
    return not any(isinstance(value, dict | list) for value in values)
