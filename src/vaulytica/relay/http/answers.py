"""Answers: how requests to the intake were answered. Counted by status; of refusals a line for each status, once a minute.

Strangers can have requests refused as often as they like: so a line has nothing of what they sent, and there
are no more lines than that.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from vaulytica.delivery.ports import Clock
from vaulytica.relay.door.accept import Cut

if TYPE_CHECKING:
    from vaulytica.relay.watching.watch import Log

_SAY_EVERY = 60.0  # seconds between two lines on one status
_WHY = {
    400: "they are not what events are written as; each answer says what is wrong",
    401: "no token, or a wrong one",
    403: "from a web page, where there are no tokens",
    413: "larger than intake.limits",
    415: "of a Content-Type, or Content-Encoding, that is not taken",
    422: "an Idempotency-Key that was used for another body",
    429: "the outbox is full",
    431: "headers that are too large",
    500: "a fault of the relay; the log says more",
    503: "the disk fails, the outbox is damaged, the relay is stopping, or too many large requests at a time",
}
_OTHERS = (202, 404, 405)  # not worth a line: anybody may ask for anything


class Answers:
    """`by_status` counts them since the start, and `cut` the connections that ended without one."""

    def __init__(self, log: Log, clock: Clock = time) -> None:
        self._log, self._clock = log, clock
        self.by_status: Counter[int] = Counter(dict.fromkeys(sorted((*_WHY, *_OTHERS)), 0))
        self.cut: Counter[Cut] = Counter(dict.fromkeys(Cut, 0))
        self._unsaid: Counter[int] = Counter()
        self._said: dict[int, float] = {}  # when
        self._client: dict[int, str] = {}  # the last one, where that is known

    def add(self, status: int, client: str | None = None) -> None:
        """One was answered so; `client` is its address."""
        self.by_status[status] += 1
        if status in _WHY:
            self._unsaid[status] += 1
            if client is not None:
                self._client[status] = client
            self.say()

    def say(self, *, at_last: bool = False) -> None:
        """Say what was not said yet, if it is time."""
        now = self._clock.monotonic()
        for status in sorted(self._unsaid):
            if at_last or now - self._said.get(status, -_SAY_EVERY) >= _SAY_EVERY:
                self._said[status] = now
                client = self._client.pop(status, None)
                self._log.warning(
                    "requests refused",
                    status=status,
                    requests=self._unsaid.pop(status),
                    why=_WHY[status],
                    **({} if client is None else {"last_client": client}),
                )
