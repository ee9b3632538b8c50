"""StrictDestination: what they all have: faults on purpose, and a record of what was taken."""

from __future__ import annotations

import hashlib
import json
import threading
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from vaulytica.receiving.receiver import Answer, Header, Lost, Received

_REMEMBERED = 1_000_000  # events that are known again when they come a second time


class What(StrEnum):
    """What became of an event, seen from this end."""

    TAKEN = "taken"
    TAKEN_AGAIN = "taken again"  # it was there before: now it is there twice
    KNOWN = "known"  # it was there before, and is not stored again
    ASIDE = "set aside"  # taken, but to where failures go
    CUT = "cut"  # taken, but not all of it
    REFUSED = "refused"
    DEFERRED = "deferred"
    UNREAD = "unread"  # neither taken nor refused: the reading stopped before it, or it was skipped


@dataclass(frozen=True, slots=True)
class Note:
    """What became of one event, decoded; `event` is None where it was said of the whole request."""

    what: What
    event: Any
    why: str = ""


class Refused(Exception):
    """Stops the reading of a request: what to answer, why, and the event at fault if it is one's."""

    def __init__(
        self, answer: Answer, why: str, event: Any = None, what: What = What.REFUSED
    ) -> None:
        super().__init__(why)
        self.answer = answer
        self.event = event
        self.what = what


@dataclass(kw_only=True)
class StrictDestination(ABC):
    """Answers requests as the real one would, and keeps what it took; any threads may call it.

    Faults, each a function that is asked and so is as deterministic as you like:
    `reject(event)` a reason makes the event one that is never taken; `defer(event, nth)` True puts
    off the event that is seen for the nth time; `refuse(n)` a status or code for the nth request as
    a whole; `lose(n)` True loses its answer (`Lost`); `mangle(n, answer)` gives another one.

    `token`: the one credential that is let in; None lets any in. `max_bytes`: of a body, unpacked.
    `keep`: how many of the last events are held. `on_note` is told what becomes of each.
    """

    token: str | None = field(default=None, repr=False)
    reject: Callable[[Any], str | None] | None = None
    defer: Callable[[Any, int], bool] | None = None
    refuse: Callable[[int], int | None] | None = None
    lose: Callable[[int], bool] | None = None
    mangle: Callable[[int, Answer], Answer] | None = None
    max_bytes: int = 64 * 1024 * 1024
    keep: int = 100_000
    on_note: Callable[[Note], object] | None = None

    def __post_init__(self) -> None:
        self.requests = 0
        self.counts: Counter[What] = Counter()
        self.events: deque[Any] = deque(maxlen=self.keep)  # taken, in order, decoded
        self.untold: deque[Any] = deque(maxlen=self.keep)  # taken, and its sender does not know
        self._lock = threading.Lock()
        self._known: dict[Hashable, None] = {}
        self._sightings: Counter[Hashable] = Counter()
        self._told: list[Any] = []  # the events that the answer to this request speaks well of

    @property
    def duplicates(self) -> int:
        """How many events were taken that were there already."""
        return self.counts[What.TAKEN_AGAIN]

    def answer(self, request: Received) -> Answer:
        """What the real one would answer; raises `Lost` where a fault has it get lost."""
        with self._lock:
            self.requests += 1
            self._told = []
            try:
                right = self._answer(request, self.requests)
            except Refused as refused:
                self._note(refused.what, refused.event, str(refused))
                right = refused.answer
            answer = right
            if self.mangle is not None:
                answer = self.mangle(self.requests, right)
            lost = self.lose is not None and self.lose(self.requests)
            if lost or answer is not right:
                self.untold.extend(self._told)
            if lost:
                raise Lost
            return answer

    @abstractmethod
    def _answer(self, request: Received, number: int) -> Answer:
        """Take what can be taken of this request, the `number`th, and answer it; or raise `Refused`."""

    def _refused(self, number: int) -> int | None:
        return None if self.refuse is None else self.refuse(number)

    def _rejected(self, event: Any) -> str | None:
        return None if self.reject is None else self.reject(event)

    def _deferred(self, event: Any, key: Hashable = None) -> bool:
        if self.defer is None:
            return False
        key = key or _digest(event)
        self._sightings[key] += 1
        return self.defer(event, self._sightings[key])

    def _take(self, event: Any, key: Hashable = None) -> None:
        """Store an event; it is known again by its key, else by its content."""
        key = key or _digest(event)
        again = self._knows(key)
        self._known[key] = None
        if len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]
        self.events.append(event)
        self._told.append(event)
        self._note(What.TAKEN_AGAIN if again else What.TAKEN, event)

    def _knows(self, key: Hashable) -> bool:
        return key in self._known

    def _note(self, what: What, event: Any, why: str = "") -> None:
        self.counts[what] += 1
        if self.on_note is not None:
            self.on_note(Note(what, event, why))


def _digest(event: Any) -> bytes:
    text = json.dumps(event, sort_keys=True)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def json_answer(status: int, value: Any, headers: tuple[Header, ...] = ()) -> Answer:
    """An answer of JSON."""
    body = json.dumps(value, separators=(",", ":")).encode("utf-8")
    return Answer(status, body, (("Content-Type", "application/json"), *headers))


def html_answer(status: int, title: str) -> Answer:
    """The page of a web server that never got as far as the API."""
    page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Answer(status, page.encode("utf-8"), (("Content-Type", "text/html"),))
