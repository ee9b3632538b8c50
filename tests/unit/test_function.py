"""Custom payloads by a function: what it gets, what it may give, and what is told when it fails."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest

from support.heart import GUIDE_DATA, GUIDE_TIME, cut, guide_event
from vaulytica.delivery.outcome import Result
from vaulytica.errors import WebhookEventError
from vaulytica.formats.function import FunctionFormat, TemplateFunction
from vaulytica.jsonvalues import canonical_json


def made(function: TemplateFunction, **changes: Any) -> Any:
    return json.loads(FunctionFormat(function).encode(guide_event(**changes)))


def failure(function: Any) -> str:
    event = guide_event()
    with pytest.raises(WebhookEventError) as caught:
        FunctionFormat(function).encode(event)
    assert caught.value.event_id == event.id
    message = str(caught.value)
    assert "\n" not in message
    assert "custom_template_func" in message
    return message


def test_the_guides_function() -> None:
    def custom_formatter(context: dict[str, Any]) -> dict[str, Any]:
        return {
            "alert_type": context["event_type"],
            "alert_severity": context["severity"],
            "alert_timestamp": context["timestamp"],
            "alert_data": context["event_data"],
            "alert_source": "vaulytica",
        }

    assert made(custom_formatter) == {
        "alert_type": "file_shared_externally",
        "alert_severity": "warning",
        "alert_timestamp": GUIDE_TIME,
        "alert_data": GUIDE_DATA,
        "alert_source": "vaulytica",
    }


def test_all_that_a_function_gets() -> None:
    context = made(lambda context: context, id="id-1", source="scanner")
    assert context == {
        "event_type": "file_shared_externally",
        "severity": "warning",
        "timestamp": GUIDE_TIME,
        "event_data": GUIDE_DATA,
        "event_id": "id-1",
        "source": "scanner",
    }


def test_what_it_gets_is_plain() -> None:
    kinds: dict[str, type] = {}
    FunctionFormat(lambda c: kinds.update({k: type(v) for k, v in c.items()}) or {}).encode(
        guide_event()
    )
    assert kinds == dict.fromkeys(kinds, str) | {"event_data": dict}


def test_a_function_can_use_its_copy_and_not_change_the_event() -> None:
    def greedy(context: dict[str, Any]) -> dict[str, Any]:
        context["event_data"]["list"].append(4)
        context["event_data"]["added"] = True
        context["event_data"]["inner"].clear()
        return context.pop("event_data")

    event = guide_event(data={"list": [1], "inner": {"a": 1}})
    format = FunctionFormat(greedy)
    first = format.encode(event)
    assert event.data == {"list": [1], "inner": {"a": 1}}
    assert format.encode(event) == first == b'{"list":[1,4],"inner":{},"added":true}'


def test_what_it_gives_is_made_plain() -> None:
    given = {
        "when": datetime(2025, 10, 29, 12, tzinfo=UTC),
        "id": UUID(int=1),
        "set": {2, 1},
        "bytes": b"abc",
        "tuple": (1, 2),
    }
    assert made(lambda _: MappingProxyType(given)) == {
        "when": GUIDE_TIME,
        "id": "00000000-0000-0000-0000-000000000001",
        "set": [1, 2],
        "bytes": "YWJj",
        "tuple": [1, 2],
    }


def test_the_document_is_written_by_the_given_writer() -> None:
    format = FunctionFormat(lambda _: {"b": 1, "a": "é"}, dumps=canonical_json)
    assert format.encode(guide_event()) == b'{"a": "\\u00e9", "b": 1}'


@pytest.mark.parametrize("given", [None, [], [("a", 1)], "text", b"{}", 5, True, {1}, object()])
def test_what_is_no_dict_is_refused(given: Any) -> None:
    assert f"must return a dict, not {type(given).__name__}" in failure(lambda _: given)


def circular() -> dict[str, Any]:
    circle: dict[str, Any] = {}
    circle["me"] = circle
    return circle


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"a": float("nan")}, "what custom_template_func returned.a is nan"),
        ({"a": [object()]}, "returned.a[0] is of type object"),
        ({1: 2}, "keys are strings"),
        (circular(), "contains itself"),
        ({"a": "x" * 11_000_000}, "larger than the limit"),
    ],
    ids=["nan", "object", "key", "circular", "large"],
)
def test_what_json_cannot_carry_is_refused(given: Any, why: str) -> None:
    assert why in failure(lambda _: given)


def test_how_large_it_may_be_is_what_the_config_says() -> None:
    large = {"a": "x" * 11_000_000}
    body = FunctionFormat(lambda _: large, max_bytes=12_000_000).encode(guide_event())
    assert json.loads(body) == large
    with pytest.raises(WebhookEventError, match="larger than the limit of 1000 bytes"):
        FunctionFormat(lambda _: {"a": "x" * 1001}, max_bytes=1000).encode(guide_event())


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (KeyError("owner"), "raised KeyError: 'owner'"),
        (ValueError("two\nlines\x1b[31m"), "raised ValueError: two lines [31m"),
        (RecursionError("too deep"), "raised RecursionError: too deep"),
        (MemoryError(), "raised MemoryError"),
        (StopIteration(5), "raised StopIteration: 5"),
        (WebhookEventError("not mine"), "raised WebhookEventError: not mine"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_function_that_raises_is_that_events_failure(error: Exception, why: str) -> None:
    def raises(_: dict[str, Any]) -> dict[str, Any]:
        raise error

    assert why in failure(raises)


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def test_an_error_that_tells_too_much_or_nothing_is_told_shortly() -> None:
    def raises(error: Exception) -> TemplateFunction:
        def function(_: dict[str, Any]) -> dict[str, Any]:
            raise error

        return function

    assert len(failure(raises(ValueError("x" * 10_000_000)))) < 600
    assert failure(raises(Mute())).endswith("raised Mute")


def test_a_function_that_takes_no_context_is_that_events_failure() -> None:
    def no_context() -> dict[str, Any]:
        return {}

    assert "raised TypeError" in failure(no_context)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_ends_it(stop: type[BaseException]) -> None:
    def raises(_: dict[str, Any]) -> dict[str, Any]:
        raise stop

    with pytest.raises(stop):
        FunctionFormat(raises).encode(guide_event())


def test_an_event_that_fails_leaves_its_neighbours() -> None:
    format = FunctionFormat(lambda context: {"a": 1 // context["event_data"]["n"]})
    entries = [{"type": "t", "data": {"n": n}} for n in (1, 0, 2)]
    pieces = list(cut(format, entries, 10_000))
    assert [isinstance(piece, Result) for piece in pieces] == [False, True, False]
