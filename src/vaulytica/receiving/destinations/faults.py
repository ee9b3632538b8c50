"""Answers gone wrong, ready for `mangle=`: what a destination may say that no sender should believe."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from vaulytica.receiving.destinations.strict import html_answer
from vaulytica.receiving.receiver import Answer


def html(answer: Answer) -> Answer:
    """A page of HTML, under the right status."""
    return html_answer(answer.status, "Welcome")


def half(answer: Answer) -> Answer:
    """The first half of the body only."""
    return replace(answer, body=answer.body[: len(answer.body) // 2])


def fewer_items(answer: Answer) -> Answer:
    """A bulk answer without its last item."""
    return _with_items(answer, lambda items: items[:-1])


def more_items(answer: Answer) -> Answer:
    """A bulk answer with its last item twice."""
    return _with_items(answer, lambda items: items + items[-1:])


class Previous:
    """The answer to the request before this one; the first gets its own."""

    def __init__(self) -> None:
        self._last: Answer | None = None

    def __call__(self, answer: Answer) -> Answer:
        """The one before, and remember this one."""
        last, self._last = self._last, answer
        return last or answer


def _with_items(answer: Answer, change: Callable[[list[object]], list[object]]) -> Answer:
    try:
        value = json.loads(answer.body)
        value["items"] = change(value["items"])
    except (ValueError, LookupError, TypeError):
        return answer
    return replace(answer, body=json.dumps(value).encode("utf-8"))
