"""Destinations that outlive the relay, and count every event that they take by its name."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from vaulytica.cli.demo.kinds import KINDS
from vaulytica.receiving.destinations.strict import Note, What
from vaulytica.receiving.receiver import Answer, Lost, Received, Receiver

TOKEN = "fake-token-of-a-test"
ENVIRONMENT = {"VAULYTICA_TEST_TOKEN": TOKEN, "VAULYTICA_TEST_KEY": f"Splunk {TOKEN}"}
_NAME = re.compile(r"@[\w-]+@")  # of an event, wherever its format puts its data
_TAKEN = {What.TAKEN, What.TAKEN_AGAIN, What.KNOWN}


def names_in(event: Any) -> list[str]:
    """Names of events."""
    return sorted(set(_NAME.findall(event if isinstance(event, str) else json.dumps(event))))


class Place:
    """A destination that outlives the relay. `taken`: how often it took each event, by name.

    `untold`: how often it took one and its sender did not hear of it, by a fault of its own (not by
    the death of the relay). `before` is called with each request, and may raise `Lost`, sleep, or kill.
    `after` the same, once the events are taken.
    """

    def __init__(self, name: str, kind: str, *, batch: int = 20, **faults: Any) -> None:
        self.name, self._kind, self._batch = name, KINDS[kind], batch
        self.taken: Counter[str] = Counter()
        self.untold: Counter[str] = Counter()
        self.requests = 0
        self.before: Callable[[Received], object] = lambda _: None
        self.after: Callable[[Received], Answer | None] = lambda _: None
        token = TOKEN
        self.stand_in = self._kind.stand_in(token=token, on_note=self._note, keep=0, **faults)
        self.port = 0
        self.opens()

    def opens(self) -> None:
        """Listen (again), where it did."""
        self.receiver = Receiver(port=self.port, respond=self._respond, keep=0)
        self.port = self.receiver.port

    def forget(self) -> None:
        """Count from nothing on."""
        self.taken.clear()
        self.untold.clear()

    def closes(self) -> None:
        self.receiver.close()

    def _note(self, note: Note) -> None:
        if note.what in _TAKEN:
            (name,) = names_in(note.event)
            self.taken[name] += 1

    def _respond(self, received: Received) -> Answer | None:
        self.requests += 1
        self.before(received)
        try:
            answer = self.stand_in.answer(received)
            return self.after(received) or answer
        except Lost:
            self.untold.update(names_in(received.body.decode()))
            raise

    def settings(self, **more: Any) -> dict[str, Any]:
        """What a relay's config says of it."""
        header, scheme = self._kind.key
        if scheme == "Splunk ":
            auth = {
                "auth_type": "api_key",
                "api_key": "env:VAULYTICA_TEST_KEY",
                "api_key_header": header,
            }
        elif scheme == "ApiKey ":
            auth = {"auth_type": "bearer", "bearer_token": "env:VAULYTICA_TEST_TOKEN"}
        else:
            auth = {"auth_type": "none"}
        batch = {**self._kind.settings.get("batch", {}), "max_events": self._batch, "max_wait": 0.0}
        return {
            **self._kind.settings,
            "url": f"http://127.0.0.1:{self.port}{self._kind.path}",
            "auth": auth,
            "batch": batch,
            "timeout": 10,
            "retry_config": {"max_retries": 1000, "initial_delay": 0.02, "max_delay": 0.1},
            **more,
        }
