"""The destinations of the demo: one healthy, one often busy, and one that is down at first."""

from __future__ import annotations

import secrets
import socket
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vaulytica.cli.demo.kinds import KINDS
from vaulytica.receiving.receiver import Receiver

if TYPE_CHECKING:
    from vaulytica.events import Event
    from vaulytica.outbox.delivery import Counts
    from vaulytica.receiving.destinations.strict import StrictDestination

_BUSY_EVERY = 3  # requests; of so many, the last is refused


@dataclass
class Row:
    """What the outbox says, and what the receiver really holds. `balance`: 0, or the audit fails."""

    name: str
    format: str
    accepted: int
    delivered: int
    dead: int
    pending: int
    balance: int
    intact: int
    doubled: int
    requests: int
    problems: list[str]

    @property
    def ok(self) -> bool:
        """Whether each event is there, and the sum is right."""
        every = self.accepted == self.delivered == self.intact
        return every and not (self.dead or self.pending or self.balance or self.problems)


class Target:
    """A destination on a port of its own; `up` says whether anybody listens there from the start."""

    def __init__(self, name: str, kind: str, story: str, *, busy: bool = False, up: bool = True):
        self.name, self.story = name, story
        self.format = kind
        self._kind = KINDS[kind]
        self.key = secrets.token_urlsafe(24)
        faults = {"refuse": lambda n: 503 if n % _BUSY_EVERY == 0 else None} if busy else {}
        self._stand_in: StrictDestination = self._kind.stand_in(token=self.key, **faults)
        # Bound at once, so that nobody else gets the port; who is down does not listen.
        with socket.socket() as bound:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(("127.0.0.1", 0))
            self._port = bound.getsockname()[1]
        self._receiver: Receiver | None = None
        if up:
            self.comes_up()

    def comes_up(self) -> None:
        """Begin to listen."""
        if self._receiver is None:
            self._receiver = Receiver(port=self._port, respond=self._stand_in.answer, keep=0)

    def settings(self) -> dict[str, Any]:
        """What a relay's config says of it; the key is a reference to an environment variable."""
        header, _ = self._kind.key
        auth = {"auth_type": "api_key", "api_key": f"env:{self.variable}", "api_key_header": header}
        batch = {**self._kind.settings.get("batch", {}), "max_events": 250, "max_wait": 0.2}
        return {
            **self._kind.settings,
            "url": f"http://127.0.0.1:{self._port}{self._kind.path}",
            "auth": auth,
            "allow_insecure": True,
            "batch": batch,
            "retry_config": {"max_retries": 100, "initial_delay": 0.1, "max_delay": 2.0},
        }

    @property
    def variable(self) -> str:
        """The name of the environment variable that has the key."""
        return f"VAULYTICA_DEMO_{self.name.upper()}_KEY"

    @property
    def secret(self) -> str:
        """What its API key is, with what comes before it."""
        return self._kind.key[1] + self.key

    def row(self, counts: Counts, events: Sequence[Event]) -> Row:
        """Compare what was sent with what is there."""
        reader = self._kind.reader
        there = Counter(self._key_of(taken) for taken in self._stand_in.events)
        problems: list[str] = []
        intact = doubled = 0
        for event in events:
            found = there.pop(reader.expected(event).key, 0)
            intact += found > 0
            doubled += max(0, found - 1)
            if not found:
                problems.append(f"event {event.id} has not arrived as it was sent")
        problems += [f"{count} times something that was never sent" for count in there.values()]
        return Row(
            self.name,
            self.format,
            counts.accepted,
            counts.delivered,
            counts.dead,
            counts.pending,
            counts.balance,
            intact,
            doubled,
            self._stand_in.requests,
            problems,
        )

    def _key_of(self, taken: Any) -> str:
        try:
            return self._kind.reader.read(taken).key
        except (ValueError, LookupError, TypeError, AttributeError):
            return ""

    def close(self) -> None:
        """Listen no more."""
        if self._receiver is not None:
            self._receiver.close()


def targets() -> list[Target]:
    """The three."""
    return [
        Target("splunk", "splunk_hec", "splunk is well"),
        Target("elastic", "elastic bulk", "elastic is busy every third time", busy=True),
        Target("webhook", "json ndjson", "webhook is down", up=False),
    ]
