"""What Elasticsearch and OpenSearch say: of a whole request, or item by item in a bulk's answer.

A bulk is answered by 200 with failures inside: one item for each action, in order. `failure_store` of
an item: `used`, the event went there; `failed` or `not_enabled`, it is refused. An answer that cannot
be understood delivers nothing: a `create` with our `_id` that is sent again changes nothing.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from vaulytica.delivery.batching import Batch
from vaulytica.delivery.outcome import (
    Deferred,
    Delivered,
    Outcome,
    Reason,
    ReasonKind,
    Rejected,
    outcome_of_status,
    words,
)
from vaulytica.delivery.request import MAX_ANSWER_BYTES, Response
from vaulytica.errors import one_line

_NOTHING = msgspec.Raw()
_CREATED = Delivered(201)
_ALREADY_THERE = Delivered(409, note="a document of this id is already there")
_IN_FAILURE_STORE = "it went to the failure store of its data stream"
_LATER = frozenset({408, 429})
_BLOCKED = b'"cluster_block_exception"'  # of a write block or a full disk, with 403 or 429


class _Item(msgspec.Struct, gc=False):
    """What became of one action. `error` is read only where there is one."""

    status: int
    id: str | None = msgspec.field(name="_id", default=None)
    error: msgspec.Raw = _NOTHING
    failure_store: str | None = None


class _Entry(msgspec.Struct, gc=False):
    """An item by the name of its action: we send no other."""

    create: _Item


class _Answer(msgspec.Struct, gc=False):
    errors: bool
    items: list[_Entry]


class _Cause(msgspec.Struct):
    """`{"type", "reason"[, "caused_by"]}`: what is wrong, and what is behind it."""

    type: str | None = None
    reason: str | None = None
    caused_by: _Cause | None = None


class _Single(msgspec.Struct):
    """What matters of the answer to a request with one document, or of an error's."""

    error: msgspec.Raw = _NOTHING
    failure_store: str | None = None


_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_cause = msgspec.json.Decoder(_Cause | str).decode
_decode_single = msgspec.json.Decoder(_Single).decode


def of_request(response: Response) -> Outcome:
    """What the answer means for all of the request, with the destination's words for it."""
    outcome = outcome_of_status(response)
    try:
        said = _decode_single(response.body)
    except (ValueError, RecursionError):
        return outcome
    if isinstance(outcome, Delivered):
        return replace(outcome, note=_IN_FAILURE_STORE) if said.failure_store == "used" else outcome
    if response.status == 403:  # in JSON these are its own words, of credentials: no firewall's
        outcome = replace(outcome, reason=replace(outcome.reason, shared=False))
    if not _is_one(said.error):
        return outcome
    text = f"HTTP {response.status}: {_why(said.error)}"
    return replace(outcome, reason=replace(outcome.reason, text=text))


def of_bulk(response: Response, batch: Batch) -> list[Outcome]:
    """The outcome of each event of a bulk."""
    if not 200 <= response.status < 300:
        return [of_request(response)] * len(batch)
    try:
        entries = _decode_answer(response.body).items
    except (ValueError, RecursionError):
        return _not_understood(response, batch, "its body is no answer to a bulk")
    if len(entries) != len(batch):
        why = f"it answered {len(entries)} items for {len(batch)} events"
        return _not_understood(response, batch, why)
    outcomes: list[Outcome] = []
    for entry, id in zip(entries, batch.ids, strict=True):
        item = entry.create
        if item.id != id and item.id is not None:
            return _not_understood(response, batch, "it answered another batch: the ids differ")
        if item.status == 201 and item.error is _NOTHING and item.failure_store is None:
            outcomes.append(_CREATED)  # as nearly all are
        else:
            outcomes.append(_of_item(item))
    return outcomes


def _not_understood(response: Response, batch: Batch, why: str) -> list[Outcome]:
    start = Response(response.status, body=response.body[:MAX_ANSWER_BYTES])
    text = f"HTTP {response.status}, but {why}{words(start)}"
    return [Deferred(Reason(ReasonKind.SERVER, text, response.status))] * len(batch)


def _of_item(item: _Item) -> Outcome:
    status = item.status
    if status == 409:
        return _ALREADY_THERE
    has_error = _is_one(item.error)
    if 200 <= status < 300 and not has_error and item.failure_store != "failed":
        used = item.failure_store == "used"
        return Delivered(status, note=_IN_FAILURE_STORE if used else None)
    text = f"item status {status}"
    if has_error:
        text += f": {_why(item.error)}"
    if item.failure_store is not None:
        text += f" (failure store: {one_line(item.failure_store)})"
    # Others than 4xx, and a 2xx with an error, are its own fault; and a block is lifted some day.
    passes = status in _LATER or not 400 <= status < 500 or _BLOCKED in bytes(item.error)
    if passes:
        kind = ReasonKind.THROTTLED if status == 429 else ReasonKind.SERVER
        return Deferred(Reason(kind, text, status))
    refused = status in (401, 403) and b'"security_exception"' in bytes(item.error)
    return Rejected(Reason(ReasonKind.AUTH if refused else ReasonKind.REJECTED, text, status))


def _is_one(error: msgspec.Raw) -> bool:
    """Whether there is an error: not where the field is missing, or null."""
    return bytes(error) not in (b"", b"null")


def _why(error: msgspec.Raw) -> str:
    """An error in one line: its type and reason, and the first cause where there is one."""
    try:
        cause = _decode_cause(error)
    except (ValueError, RecursionError):
        return one_line(bytes(error)[:MAX_ANSWER_BYTES].decode("utf-8", "replace"))
    if isinstance(cause, str):
        return one_line(cause)
    text, first = _shown(cause), cause
    while first.caused_by is not None:
        first = first.caused_by
    return text if first is cause else f"{text}, caused by {_shown(first)}"


def _shown(cause: _Cause) -> str:
    return one_line(": ".join(filter(None, (cause.type, cause.reason)))) or "no reason given"
