"""Asked: what a caller's `put` asks for, and the digest that tells one use of an idempotency key from another.

What was made for an event is no part of what was asked: a caller who tries again has new ids and times made.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from vaulytica.errors import WebhookConfigError
from vaulytica.events import SOURCE, Event, Severity, parse_timestamp
from vaulytica.jsonvalues import canonical_json
from vaulytica.lines import Line
from vaulytica.outbox.delivery import Once, Share
from vaulytica.outbox.names import why_not_put
from vaulytica.outbox.parcel import Entry, Parcel

_UUID7 = re.compile(r"([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_DEFAULTS: dict[str, Any] = {
    "data": {},
    "severity": Severity.INFO,
    "source": SOURCE,
    "metadata": None,
}


def asked(
    events: Parcel | Entry | Iterable[Entry],
    destinations: Collection[str],
    *,
    key: str | None,
    idempotency_key: str | None,
) -> tuple[Share, Once | None]:
    """See `Outbox.put`; for all outboxes, so that a key means the same in each of them."""
    if isinstance(destinations, str) or not destinations:
        raise WebhookConfigError("put needs a list of the destinations' names, one at least")
    for name in destinations:
        if why := why_not_put(name):
            raise WebhookConfigError(f"put: {why}")
    if idempotency_key is None:
        parcel = events if isinstance(events, Parcel) else Parcel.of(events)
        return Share(parcel, tuple(dict.fromkeys(destinations)), key), None
    if not isinstance(idempotency_key, str) or not idempotency_key:
        raise WebhookConfigError("put: an idempotency_key is a text that is not empty")
    if not isinstance(events, (Parcel, Event, Line, Mapping, Sequence)):
        events = list(events)  # as it is read twice
    parcel = events if isinstance(events, Parcel) else Parcel.of(events)
    share = Share(parcel, tuple(dict.fromkeys(destinations)), key)
    return share, Once(idempotency_key, _digest(share, _entries(events)))


def _entries(events: Parcel | Entry | Iterable[Entry]) -> Iterable[Entry | None]:
    """What each event was given as; None if that is not known."""
    if isinstance(events, Parcel):
        return [None] * len(events)
    return [events] if isinstance(events, (Event, Line, Mapping)) else events


def _digest(share: Share, entries: Iterable[Entry | None]) -> str:
    """The same for the same, in every process and version: it is compared with what is kept in a file."""
    lines = share.parcel.body.splitlines()
    whole = {
        "events": [_event(line, entry) for line, entry in zip(lines, entries, strict=True)],
        "destinations": sorted(share.destinations),
        "key": share.key,
    }
    return hashlib.sha256(canonical_json(whole)).hexdigest()


def _event(line: bytes, entry: Entry | None) -> dict[str, Any]:
    """As it was given, with all that a line need not say."""
    event = {**_DEFAULTS, **json.loads(line)}
    if isinstance(entry, Mapping):
        made = [name for name in ("id", "timestamp") if entry.get(name) is None]
    else:
        made = _seem_made(event["id"], event["timestamp"])
    for name in made:
        del event[name]
    return event


def _seem_made(id: str, timestamp: str) -> list[str]:
    """Of an event that does not say so: an id of the kind that is made, and the time at which that was."""
    found = _UUID7.fullmatch(id)
    if found is None:
        return []
    moment = round(parse_timestamp(timestamp).timestamp() * 1000)
    return ["id", "timestamp"] if moment == int("".join(found.groups()), 16) else ["id"]
