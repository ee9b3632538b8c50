"""Target: any body, of any kind that an intake takes: its events are those that a reader of JSON finds, or none."""

from __future__ import annotations

import json
from typing import Any

from fuzz.taking import Taking
from vaulytica.lines import decode
from vaulytica.outbox.parcel import Parcel
from vaulytica.relay.door.accept import Entry
from vaulytica.relay.intake.content import kind_of
from vaulytica.relay.intake.line_reader import LineReader
from vaulytica.relay.intake.reading import Reader
from vaulytica.relay.intake.refusal import Refusal
from vaulytica.relay.intake.settings import IntakeLimits, LineSettings

LIMITS = IntakeLimits(body=4096, event=1024, events=20)
TYPES = (
    b"application/json", b"application/x-ndjson", b"application/cloudevents+json",
    b"application/cloudevents-batch+json", b"", b"application/json; charset=utf-8",
)  # fmt: skip
WAYS = ("events", "json", "text")


def target(data: bytes) -> None:
    """Refused by one line and a 4xx, or taken as what it says; a line of a stream is never lost."""
    taking = Taking(data)
    way = taking.byte() % 8
    if way == 0:
        _stream(taking)
        return
    headers = {b"content-type": taking.one_of(TYPES)}
    if way == 1:
        headers[b"ce-specversion"] = b"1.0"
        for name in (b"ce-id", b"ce-type", b"ce-source", b"ce-severity", b"ce-x"):
            if value := taking.part():
                headers[name] = value
    body = taking.rest()
    try:
        entries = [entry for block in kind_of(headers)(Reader(LIMITS), body) for entry in block]
    except Refusal as refusal:
        assert 400 <= refusal.status < 500
        assert refusal.body().count(b"\n") == 1
        assert json.loads(refusal.body())["error"]
        return
    kept = _kept(entries)
    if way != 1 and b"cloudevents" not in headers[b"content-type"]:
        assert [(it["type"], it["data"]) for it in kept] == [
            (it["type"], it.get("data", {})) for it in _read(body)
        ]


def _kept(entries: list[Entry]) -> list[dict[str, Any]]:
    """As the outbox keeps them, and whoever reads that."""
    parcel = Parcel.of(entries)
    lines = parcel.body.splitlines()
    assert len(lines) == len(entries) == len(parcel.ids) <= LIMITS.events
    again, _ = decode(parcel.body, 0)
    assert len(again) == len(entries)
    kept = [json.loads(line.decode("utf-8"), object_pairs_hook=_unique) for line in lines]
    assert [it["id"] for it in kept] == list(parcel.ids)
    return kept


def _read(body: bytes) -> list[dict[str, Any]]:
    """All values of the body, by Python's own reader."""
    text = body.decode("utf-8-sig")
    try:
        whole = json.loads(text, object_pairs_hook=_unique)
        return whole if isinstance(whole, list) else [whole]
    except json.JSONDecodeError:
        lines = [line for line in text.split("\n") if line.strip()]
        return [json.loads(line, object_pairs_hook=_unique) for line in lines]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs), "a key stands twice"
    return dict(pairs)


def _stream(taking: Taking) -> None:
    reader = LineReader(LineSettings(**{"as": taking.one_of(WAYS)}), LIMITS, "fuzz")
    block = taking.rest()
    kept, used = [], 0
    while used < len(block):
        entries, some = reader.read(block[used:], used)
        kept, used = [*kept, *_kept_in_parts(entries)], used + some
    lines = [line for line in block.split(b"\n") if line.removesuffix(b"\r").strip()]
    assert len(kept) == len(lines)
    assert reader.unreadable == sum(it["type"] == "unreadable_line" for it in kept) or b"unreadable_line" in block  # fmt: skip


def _kept_in_parts(entries: list[Entry]) -> list[dict[str, Any]]:
    most = LIMITS.events
    parts = [entries[at : at + most] for at in range(0, len(entries), most)]
    return [it for part in parts for it in _kept(part)]
