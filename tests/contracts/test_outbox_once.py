"""What every outbox must hold to: an idempotency key keeps one put once, and is refused for another."""

from __future__ import annotations

import asyncio
import os
import pickle
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from support.outbox import OwnClock, everything, ids_in, parcel
from vaulytica.errors import IdempotencyConflictError, OutboxError, WebhookConfigError
from vaulytica.events import Event
from vaulytica.lines import decode
from vaulytica.outbox.delivery import Receipt
from vaulytica.outbox.parcel import Parcel

GIVEN = {"type": "t", "data": {"user": "\u00e9", "n": [1, 2.5, None, 2**70]}}
WHOLE: dict[str, Any] = {
    **GIVEN,
    "severity": "error",
    "source": "app",
    "id": "e-1",
    "timestamp": "2025-10-29T12:00:00.250Z",
    "metadata": {"index": "main"},
}


def put(outbox: Any, events: Any, *to: str, key: str | None = None) -> Receipt:
    receipt: Receipt = outbox.put(events, to or ("siem",), key=key, idempotency_key="K")
    return receipt


def test_the_same_key_keeps_events_once(outbox: Any, clock: OwnClock) -> None:
    first = put(outbox, [GIVEN, WHOLE])
    again = put(outbox, [GIVEN, WHOLE])
    assert (first.repeated, again.repeated, again.ids) == (False, True, first.ids)
    assert outbox.counts()["siem"].accepted == 2
    clock.pass_by(86399)
    assert put(outbox, [GIVEN, WHOLE]).repeated
    clock.pass_by(2)
    assert not put(outbox, WHOLE).repeated
    assert outbox.counts()["siem"].accepted == 3


@pytest.mark.parametrize(
    "same",
    [
        [dict(reversed(WHOLE.items()))],
        iter([WHOLE]),
        ({**WHOLE, "severity": "ERROR"},),
        {**WHOLE, "timestamp": datetime(2025, 10, 29, 12, 0, 0, 250_000, UTC)},
        {**WHOLE, "timestamp": "2025-10-29T13:00:00.250+01:00"},
        Event.from_mapping(WHOLE),
        Parcel.of(WHOLE),
    ],
    ids=["keys in another order", "an iterator", "case", "datetime", "zone", "Event", "Parcel"],
)
def test_the_same_in_other_words_is_the_same(outbox: Any, same: Any) -> None:
    put(outbox, WHOLE)
    assert put(outbox, same).repeated
    assert len(list(everything(outbox))) == 1


def test_lines_are_the_events_that_they_say(outbox: Any) -> None:
    text = b'{"type": "t", "id": "e-1", "timestamp": "2025-10-29T12:00:00Z"}\n'
    lines, _ = decode(text, now_ms=0)
    put(outbox, lines)
    assert put(outbox, lines[0]).repeated
    assert put(outbox, {"type": "t", "id": "e-1", "timestamp": "2025-10-29T12:00:00Z"}).repeated


def test_the_order_of_the_destinations_is_nobodys_wish(outbox: Any) -> None:
    put(outbox, GIVEN, "siem", "other")
    assert put(outbox, GIVEN, "other", "siem", "other").repeated


@pytest.mark.parametrize("name", ["id", "timestamp"])
def test_what_was_made_for_an_event_does_not_count(
    outbox: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = {key: value for key, value in WHOLE.items() if key != name}
    first = put(outbox, [event, {**event, name: None}])
    monkeypatch.setattr("vaulytica.events.time.time_ns", lambda: 10**18)
    assert put(outbox, [event, event]).ids == first.ids


OTHER: dict[str, Any] = {
    "another type": {**WHOLE, "type": "u"},
    "other data": {**WHOLE, "data": {}},
    "one number more": {**WHOLE, "data": {"user": "\u00e9", "n": [1, 2.5, None, 2**70, 0]}},
    "another severity": {**WHOLE, "severity": "debug"},
    "another source": {**WHOLE, "source": "vaulytica"},
    "another id": {**WHOLE, "id": "e-2"},
    "no id": {key: value for key, value in WHOLE.items() if key != "id"},
    "another time": {**WHOLE, "timestamp": "2025-10-29T12:00:00.251Z"},
    "other metadata": {**WHOLE, "metadata": {"index": "other"}},
    "one more": [WHOLE, WHOLE],
    "none": [],
}


@pytest.mark.parametrize("other", OTHER.values(), ids=OTHER)
def test_other_events_under_the_same_key_are_refused(outbox: Any, reopen: Any, other: Any) -> None:
    first = put(outbox, WHOLE)
    for one in (outbox, reopen()):
        with pytest.raises(IdempotencyConflictError, match="'K' was used before"):
            put(one, other)
    assert put(outbox, WHOLE).ids == first.ids
    assert ids_in(*everything(outbox)) == ["e-1"]


UUID7 = "0199f3a2-7c00-7abc-8def-0123456789ab", "0199f3a2-7c00-7abc-8def-0123456789ac"


@pytest.mark.parametrize("is_given", [False, True])
def test_what_was_made_for_an_event_object_does_not_count(outbox: Any, is_given: bool) -> None:
    """It is made anew by who tries again, and does not say what of it was given."""
    times = WHOLE["timestamp"] if is_given else None
    first, again = (Event.create("t", {"n": 1}, timestamp=times) for _ in range(2))
    assert first.id != again.id
    put(outbox, first)
    assert put(outbox, again).ids == (first.id,)
    assert put(outbox, Parcel.of(again)).ids == (first.id,)
    assert put(outbox, {"type": "t", "data": {"n": 1}, "timestamp": times}).ids == (first.id,)
    assert len(list(everything(outbox))) == 1


def test_what_was_given_to_an_event_object_counts(outbox: Any) -> None:
    put(outbox, Event.create("t", {}, id=UUID7[0], timestamp=1e9))
    for other in ({"timestamp": 1e9, "id": "e"}, {"timestamp": 1e9 + 1}):
        with pytest.raises(IdempotencyConflictError):
            put(outbox, Event.create("t", {}, **other))


def test_an_id_that_a_mapping_gives_counts_whatever_it_looks_like(outbox: Any) -> None:
    put(outbox, {**WHOLE, "id": UUID7[0]})
    with pytest.raises(IdempotencyConflictError):
        put(outbox, {**WHOLE, "id": UUID7[1]})


def test_events_in_another_order_are_others(outbox: Any) -> None:
    put(outbox, parcel("a", "b"))
    with pytest.raises(IdempotencyConflictError):
        put(outbox, parcel("b", "a"))


def test_other_destinations_or_another_order_are_refused(outbox: Any) -> None:
    put(outbox, GIVEN, key="user")
    for to, key in ((("other",), "user"), (("siem", "other"), "user"), (("siem",), None)):
        with pytest.raises(IdempotencyConflictError):
            put(outbox, GIVEN, *to, key=key)
    assert list(outbox.counts()) == ["siem"]


def test_the_error_is_one_line_and_bounded(outbox: Any) -> None:
    key = "k\n" * 500
    outbox.put({"type": "a"}, ["siem"], idempotency_key=key)
    with pytest.raises(OutboxError) as raised:
        outbox.put({"type": "b"}, ["other"], idempotency_key=key)
    message = str(raised.value)
    assert (type(raised.value), message.count("\n")) == (IdempotencyConflictError, 0)
    assert len(message) < 350
    for part in ("k\\nk\\n", "nothing of this put is kept", "use a key of its own"):
        assert part in message
    assert str(pickle.loads(pickle.dumps(raised.value))) == message


@pytest.mark.parametrize("key", ["", 7, b"K"])
def test_a_key_that_is_no_text_is_refused(outbox: Any, key: Any) -> None:
    with pytest.raises(WebhookConfigError, match="idempotency_key"):
        outbox.put(GIVEN, ["siem"], idempotency_key=key)


def test_of_puts_that_are_written_together_only_the_one_at_fault_fails(outbox: Any) -> None:
    outbox.put({**WHOLE, "id": "a"}, ["siem"], idempotency_key="K0")

    async def together() -> list[Any]:
        puts = [
            outbox.aio.put({**WHOLE, "id": id}, ["siem"], idempotency_key=key)
            for id, key in [("b", "K1"), ("x", "K0"), ("y", "K1"), ("c", "K2"), ("b", "K1")]
        ]
        return await asyncio.gather(*puts, return_exceptions=True)

    first, *wrong, third, again = asyncio.run(together())
    assert [type(error) for error in wrong] == [IdempotencyConflictError] * 2
    assert [(one.ids, one.repeated) for one in (first, third, again)] == [
        (("b",), False), (("c",), False), (("b",), True),
    ]  # fmt: skip
    assert sorted(ids_in(*everything(outbox))) == ["a", "b", "c"]


def test_of_threads_that_use_one_key_for_different_things_one_has_it(outbox: Any) -> None:
    ends: list[object] = []
    ready = threading.Barrier(8)

    def try_it(number: int) -> None:
        ready.wait(60)
        try:
            ends.append(put(outbox, parcel(f"e{number}")).ids[0])
        except IdempotencyConflictError:
            ends.append(None)

    threads = [threading.Thread(target=try_it, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    (won,) = [end for end in ends if end is not None]
    assert (len(ends), ids_in(*everything(outbox))) == (8, [won])


PROGRAM = """
import sys
from pathlib import PurePosixPath
from vaulytica.outbox import open_outbox
outbox = open_outbox(sys.argv[1])
event = {"type": "t", "data": {"some": {"a", "b", "c", "d"}, "path": PurePosixPath("/x")}}
print(outbox.put(event, {"siem", "other", "third"}, idempotency_key="K").repeated)
"""


def test_it_is_the_same_in_every_process(reopen: Any, tmp_path: Path) -> None:
    """Sets have another order in each, as texts have other hashes."""
    url = f"sqlite://{reopen().path}"
    said = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM, url],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2", "3")
    ]  # fmt: skip
    assert said == ["False\n", "True\n", "True\n"]
