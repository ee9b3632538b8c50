"""Indexer acknowledgement: ids by channel, asked for until they are true.

Source: Splunk's "About HTTP Event Collector Indexer Acknowledgment". That ids count from 0 in each
channel, and are forgotten once they were told as true, was measured on Splunk 10.4.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class _Pending:
    events: list[Any]
    ready: float  # by the clock
    polls: int  # more times that it is asked for in vain
    is_lost: bool  # it never gets into the index


@dataclass
class _Channel:
    next_id: int = 0
    pending: dict[int, _Pending] = field(default_factory=dict)


class Acks:
    """What is taken and not yet acknowledged. True `after` so many seconds and `polls` vain questions."""

    def __init__(self, clock: Callable[[], float], after: float, polls: int, most: int) -> None:
        self._clock = clock
        self._after = after
        self._polls = polls
        self._most = most
        self._channels: defaultdict[Hashable, _Channel] = defaultdict(_Channel)

    def is_full(self, channel: Hashable) -> bool:
        """Whether the channel has as many unacknowledged ids as it may."""
        return len(self._channels[channel].pending) >= self._most

    def add(self, channel: Hashable, events: list[Any], *, is_lost: bool) -> int:
        """A new id for these events."""
        state = self._channels[channel]
        number = state.next_id
        state.next_id += 1
        ready = self._clock() + self._after
        state.pending[number] = _Pending(events, ready, self._polls, is_lost)
        return number

    def ask(self, channel: Hashable, ids: Iterable[int]) -> tuple[dict[str, bool], list[Any]]:
        """The answer for each id, and the events acknowledged by it; unknown ids are false."""
        pending = self._channels[channel].pending
        acks: dict[str, bool] = {}
        told: list[Any] = []
        for number in ids:
            waiting = pending.get(number)
            is_done = waiting is not None and self._is_done(waiting)
            acks[str(number)] = is_done
            if waiting is not None and is_done:
                told += waiting.events
                del pending[number]
        return acks, told

    def waiting(self) -> list[Any]:
        """The events of all ids that were not yet told as true, but for those that never will be."""
        pending = [one for channel in self._channels.values() for one in channel.pending.values()]
        return [event for one in pending if not one.is_lost for event in one.events]

    def _is_done(self, waiting: _Pending) -> bool:
        if waiting.is_lost or self._clock() < waiting.ready:
            return False
        waiting.polls -= 1
        return waiting.polls < 0
