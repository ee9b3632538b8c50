"""An answer that is not one is never believed: the events are not counted delivered."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from support.heart import OwnClock
from support.laws import (
    MANGLES,
    Case,
    Told,
    entry,
    no_ack_id,
    other_acks,
    send,
    uphold,
)
from support.ways import BULKS, HEC, HEC_ACK, HEC_RAW, LOGS, Way
from vaulytica.receiving.destinations.faults import Previous, fewer_items, half, html, more_items
from vaulytica.receiving.destinations.strict import html_answer
from vaulytica.receiving.receiver import Answer

Mangle = Callable[[Answer], Answer]
KINDS = ("sync", "async")


def said(status: int, body: str) -> Mangle:
    return lambda answer: Answer(status, body.encode())


def page(answer: Answer) -> Answer:
    return html_answer(200, "Sign in")


ANYWHERE: dict[str, Mangle] = {
    "html": html,
    "a login page": page,
    "half a json": half,
    "a list": said(200, "[]"),
    "null": said(200, "null"),
    "a number": said(200, "200"),
    "a redirect": said(302, ""),
    "bytes": lambda answer: Answer(200, b"\xff\xfe\x00"),
    "too deep": said(200, "[" * 30_000 + "]" * 30_000),
    "errors": said(200, '{"errors":[{"status":"400"}]}'),
}
HECS: dict[str, Mangle] = {
    "an unknown code": said(200, '{"text":"?","code":99}'),
    "its code is text": said(200, '{"text":"Success","code":"0"}'),
    "its code is true": said(200, '{"text":"Success","code":false}'),
    "of the health page": said(200, '{"text":"HEC is healthy","code":17}'),
    "busy, with 200": said(200, '{"text":"Server is busy","code":9}'),
}
BULK: dict[str, Mangle] = {
    "fewer items": fewer_items,
    "more items": more_items,
    "no items": said(200, '{"errors":false,"items":[]}'),
    "nothing": said(200, ""),
    "an object": said(200, "{}"),
    "items that are none": said(200, '{"errors":false,"items":[1,2,3]}'),
    "of another action": lambda answer: Answer(200, answer.body.replace(b'"create"', b'"index"')),
    "its status is text": lambda answer: Answer(200, answer.body.replace(b"201", b'"201"')),
    "another batch's": lambda answer: Answer(200, answer.body.replace(b"e-", b"other-")),
    "in another order": lambda answer: _with(answer, lambda items: items[::-1]),
    "an error in a 201": lambda answer: _with(
        answer, lambda items: [{"create": {**one["create"], "error": {}}} for one in items]
    ),
}
TABLE = [
    (way, name, mangle)
    for way, own in ((HEC, HECS), (HEC_RAW, HECS), (LOGS, {}), *((way, BULK) for way in BULKS))
    for name, mangle in (ANYWHERE | own).items()
]


def _with(answer: Answer, change: Callable[[list[dict]], list[dict]]) -> Answer:
    value = json.loads(answer.body)
    return Answer(200, json.dumps(value | {"items": change(value["items"])}).encode())


def three(
    way: Way, mangle: Callable[[int, Answer], Answer], kind: str = "sync", **more: int
) -> Told:
    """Three events in one request that the receiver takes."""
    clock = OwnClock()
    time = {"clock": clock.monotonic} if way is HEC_ACK else {}
    receiver = way.receiver(mangle=mangle, **time)
    case = Case([entry(n) for n in range(3)], **more)
    return send(way, case, kind, clock=clock, receiver=receiver)


@pytest.mark.parametrize(
    ("way", "mangle"), [pytest.param(w, m, id=f"{w}: {n}") for w, n, m in TABLE]
)
def test_what_cannot_be_understood_delivers_nothing(way: Way, mangle: Mangle) -> None:
    told = three(way, lambda n, answer: mangle(answer), max_retries=0)
    uphold(told)
    assert told.said("Delivered") == set()
    assert all("HTTP" in text or "item status" in text for text in told.texts)


@pytest.mark.parametrize(
    ("way", "mangle"), [pytest.param(w, m, id=f"{w}: {n}") for w, n, m in TABLE]
)
def test_the_right_answer_to_the_next_request_is_believed(way: Way, mangle: Mangle) -> None:
    told = three(way, lambda n, answer: mangle(answer) if n == 1 else answer)
    uphold(told)
    assert told.said("Delivered") in (set(), {0, 1, 2})
    if told.report:
        assert len(told.there) == (3 if way.is_idempotent else 6)
    else:  # a redirect, and a code that says never
        assert told.said("Rejected") == {0, 1, 2}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", BULKS, ids=repr)
def test_the_answer_to_another_bulk_is_known_by_its_ids(way: Way, kind: str) -> None:
    """The second request is answered as the first was, which went well; in truth it was refused."""
    previous = Previous()
    refused = {2: ("refuse", 503)}

    case = Case([entry(n) for n in range(6)], max_events=3, max_retries=0, troubles=refused)
    receiver = way.receiver(**(case.faults(way) | {"mangle": lambda n, answer: previous(answer)}))
    told = send(way, case, kind, receiver=receiver)
    uphold(told)
    assert told.said("Delivered") == {0, 1, 2}
    assert "it answered another batch" in told.texts[0]


# --- Splunk's acknowledgement.

ACKS: dict[str, Mangle] = {
    "another batch's": other_acks,
    "html": html,
    "half": half,
    "a list": said(200, '{"acks":[0]}'),
    "not quite true": said(200, '{"acks":{"0":1}}'),
    "text": said(200, '{"acks":{"0":"true"}}'),
    "padded": said(200, '{"acks":{"00":true," 0":true}}'),
    "by an error": said(400, '{"acks":{"0":true}}'),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mangle", ACKS.values(), ids=ACKS.keys())
def test_an_acknowledgement_that_is_none_delivers_nothing(mangle: Mangle, kind: str) -> None:
    told = three(
        HEC_ACK,
        lambda n, answer: mangle(answer) if b'"acks"' in answer.body else answer,
        kind,
        max_retries=0,
    )
    uphold(told)
    assert told.said("Deferred") == {0, 1, 2}
    assert "not acknowledged by an indexer" in told.texts[0]


def test_what_was_taken_without_an_id_to_ask_for_has_a_note_and_is_not_doubled() -> None:
    told = three(HEC_ACK, lambda n, answer: no_ack_id(answer))
    uphold(told)
    assert told.said("Delivered") == {0, 1, 2}
    assert all("without the ackId" in str(result.note) for result in told.report.noted)
    assert len(told.report.noted) == 3
    assert told.there == [0, 1, 2]


def test_every_way_to_mangle_that_is_drawn_is_in_the_table() -> None:
    tabled = {*ANYWHERE.values(), *BULK.values(), *ACKS.values(), no_ack_id}
    assert set(MANGLES.values()) <= tabled
