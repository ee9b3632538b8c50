"""Matching: which events of a delivery a filter means, by what is in them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from vaulytica.errors import WebhookConfigError
from vaulytica.expressions import compiled, is_true
from vaulytica.outbox.delivery import Filter

Matching = Callable[[bytes], list[int]]
"""The positions of the events that are meant, of a delivery's body."""

# Numbers as they were written: 1.50 and 1e3 are found as such.
_with_digits = msgspec.json.Decoder(float_hook=str).decode
_decode = msgspec.json.Decoder().decode
_Test = Callable[[bytes], bool]


def matching(which: Filter) -> Matching | None:
    """None if the filter does not go by what is in events; raises `WebhookConfigError` if it cannot be read."""
    tests: list[_Test] = []
    if which.event is not None:
        tests.append(_of_id(which.event))
    if which.grep is not None:
        tests.append(_of_values(which.grep))
    if which.where is not None:
        tests.append(_of_condition(which.where))
    if not tests:
        return None

    def meant(body: bytes) -> list[int]:
        lines = body.removesuffix(b"\n").split(b"\n")
        return [at for at, line in enumerate(lines) if all(test(line) for test in tests)]

    return meant


def _of_id(id: str) -> _Test:
    # As it stands in the line, if nothing is escaped there in another way.
    written = msgspec.json.encode(id)

    def test(line: bytes) -> bool:
        if written not in line and b"\\" not in line:
            return False
        event = _read(line, _decode)
        return isinstance(event, dict) and event.get("id") == id

    return test


def _of_values(grep: str) -> _Test:
    try:
        pattern = re.compile(grep)
    except re.error as error:
        raise WebhookConfigError(f"grep: {error}") from None

    def test(line: bytes) -> bool:
        return any(map(pattern.search, _texts([_read(line, _with_digits)], [])))

    return test


def _of_condition(where: str) -> _Test:
    try:
        pick = compiled(where)
    except ValueError as error:
        raise WebhookConfigError(f"where: {error}") from None

    def test(line: bytes) -> bool:
        event = _read(line, _decode)
        return isinstance(event, dict) and is_true(pick(event))

    return test


def _read(line: bytes, decode: Callable[[bytes], Any]) -> Any:
    """The event; of one that was altered on the disk, such that it cannot be read, the text of it."""
    try:
        return decode(line)
    except (ValueError, RecursionError):  # msgspec's errors and those of UTF-8 are ValueErrors
        return line.decode("utf-8", "replace")


def _texts(values: Iterable[Any], texts: list[str]) -> list[str]:
    """Every value in them as text, whatever keys lead there."""
    for value in values:
        kind = type(value)
        if kind is str:
            texts.append(value)
        elif kind is dict:
            _texts(value.values(), texts)
        elif kind is list:
            _texts(value, texts)
        elif value is not None:
            texts.append(json.dumps(value))
    return texts
