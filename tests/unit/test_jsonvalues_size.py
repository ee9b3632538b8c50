"""JSON values: however large or twisted, refused in bounded time and memory."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest

from support.heart import guide_event
from vaulytica.errors import WebhookEventError
from vaulytica.events import Event
from vaulytica.jsonvalues import MAX_BYTES, NotJSON, compact_json, plain

MIB = 1024 * 1024


@contextmanager
def bounded(seconds: float, mib: float) -> Iterator[None]:
    """What is inside takes no longer, and no more memory at any moment beyond what there was."""
    tracemalloc.start()
    started = time.process_time()
    try:
        yield
        taken = time.process_time() - started
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert taken < seconds
    assert peak < mib * MIB


def doubled(value: Any, times: int, *, lists: bool) -> Any:
    for _ in range(times):
        value = [value, value] if lists else {"a": value, "b": value}
    return value


# Each is made when its test runs: together they would fill the machine.
TOO_LARGE: dict[str, Callable[[], Any]] = {
    "text": lambda: "x" * (50 * MIB),
    "text in an object": lambda: {"a": "x" * (50 * MIB)},
    "key": lambda: {"x" * (50 * MIB): 1},
    "text shared 50 times": lambda: ["x" * MIB] * 50,
    "bytes": lambda: b"x" * (50 * MIB),
    "bytes shared 50 times": lambda: [b"x" * MIB] * 50,
    "many fields": lambda: {f"{n}": "x" * 1000 for n in range(12_000)},
    "many numbers": lambda: [0] * (6 * MIB),
    "many lists": lambda: [[]] * (6 * MIB),
    "many nulls": lambda: [None] * (6 * MIB),
    "decimal of many digits": lambda: Decimal("1" + "0" * (12 * MIB)),
    "long integers": lambda: [2**1023] * 200_000,
    "integers": lambda: [-(2**70)] * 600_000,
    "objects of long integers": lambda: [{"a": 2**1023}] * 50_000,
}


@pytest.mark.parametrize("make", TOO_LARGE.values(), ids=TOO_LARGE)
def test_what_is_too_large_is_refused_at_once(make: Callable[[], Any]) -> None:
    value = make()
    with bounded(seconds=5, mib=64), pytest.raises(NotJSON, match="larger than the limit"):
        plain(value)


@pytest.mark.parametrize("lists", [True, False])
def test_a_value_that_shares_itself_2_to_the_90_times_is_refused(lists: bool) -> None:
    value = doubled("x", 90, lists=lists)
    with bounded(seconds=10, mib=16), pytest.raises(NotJSON, match="larger than the limit"):
        plain(value, max_bytes=MIB // 4)


def test_an_event_of_50_mb_is_an_error_in_one_line() -> None:
    with bounded(seconds=5, mib=64), pytest.raises(WebhookEventError) as caught:
        guide_event(data={"body": "x" * (50 * MIB)})
    assert (
        str(caught.value)
        == f"event data is larger than the limit of {MAX_BYTES} bytes for one event"
    )


def test_the_limit_can_be_set() -> None:
    data = {"body": "x" * 1000}
    assert Event.create("test", data, max_bytes=1100).data == data
    with pytest.raises(WebhookEventError, match="limit of 900 bytes"):
        Event.create("test", data, max_bytes=900)


def test_what_is_within_the_limit_is_taken_whole() -> None:
    value = {"body": "x" * (9 * MIB), "list": list(range(1000))}
    made = plain(value)
    assert made == value
    assert len(compact_json(made)) > 9 * MIB
