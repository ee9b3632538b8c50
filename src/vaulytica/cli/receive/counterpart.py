"""Counterpart: what `receive --as` is: a strict destination, and what it says of each event."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from vaulytica.errors import WebhookConfigError

if TYPE_CHECKING:
    from vaulytica.receiving.destinations.strict import Note, What
    from vaulytica.receiving.receiver import Answer, Received


class Counterpart:
    """Answers the receiver's requests; `respond` and then `notes` are called by a request's thread."""

    def __init__(self, name: str, token: str | None) -> None:
        from vaulytica.receiving.destinations import DESTINATIONS

        try:
            destination = DESTINATIONS.load(name)
        except LookupError as error:
            raise WebhookConfigError(f"--as: {error.args[0]}") from None
        self._destination = destination(token=token, keep=0, on_note=self._hear)
        self._heard = threading.local()
        self._counts: Counter[What] = Counter()

    def respond(self, received: Received) -> Answer | None:
        """What the destination answers; None where the request is to fail anyhow."""
        self._heard.notes = []
        if received.status >= 300:
            return None
        answer: Answer = self._destination.answer(received)
        return answer

    def notes(self) -> list[Note]:
        """What became of the events of the request that this thread has just answered."""
        notes: list[Note] = self._heard.notes
        return notes

    def summary(self) -> str:
        """How many events there were, by what became of them."""
        counts = ", ".join(f"{count} {what}" for what, count in self._counts.items())
        return f"events: {counts or 'none'}"

    def _hear(self, note: Note) -> None:
        self._heard.notes.append(note)
        if note.event is not None:
            self._counts[note.what] += 1


def note_lines(notes: Iterable[Note]) -> Iterator[str]:
    """A line for each event: what became of it, why, and the event."""
    for note in notes:
        event = "" if note.event is None else json.dumps(note.event, ensure_ascii=False)
        yield " ".join(part for part in (f"{note.what:<11}", note.why, event) if part)
