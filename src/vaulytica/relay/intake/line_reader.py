"""LineReader: events from the lines of a file or a stream, whose writer cannot be told what is wrong.

A line that is no event becomes an event that says so and holds its text, so that it is never lost in silence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import perf_counter
from typing import Any

from vaulytica.errors import WebhookEventError
from vaulytica.events import Event, Severity
from vaulytica.lines import decode_values
from vaulytica.relay.door.accept import Entry
from vaulytica.relay.intake.reading import Reader
from vaulytica.relay.intake.refusal import Refusal
from vaulytica.relay.intake.settings import IntakeLimits, LineSettings

UNREADABLE = "unreadable_line"
_MOST_TEXT = 64 * 1024  # characters of a line that could not be read
_ENDLESS = 2**31
_LONGEST = 0.02  # seconds at a time; then others have their turn
_PIECE = 1024  # bytes that are read between two looks at the clock, and to the end of the line


class LineReader:
    """`origin`: a file's path, or what else says where lines come from. `unreadable` counts lines."""

    def __init__(self, settings: LineSettings, limits: IntakeLimits, origin: str) -> None:
        self._settings = settings
        self._limits = limits.model_copy(update={"events": _ENDLESS})
        self._origin = origin
        self._make = {"events": None, "json": self._of_json, "text": self._of_text}[settings.as_]
        self.unreadable = 0

    @property
    def longest(self) -> int:
        """Bytes that a line may have."""
        return self._limits.event

    def read(self, block: bytes, at: int = 0) -> tuple[Sequence[Entry], int]:
        """The events of the first whole lines, and of how many bytes: all, if that takes no long time.

        `at` is where the first of them begins. An event for each line that is none takes thousands of
        times as long as to read one that is well.
        """
        if self._make is None and (entries := Reader(self._limits).well(block)) is not None:
            return entries, len(block)
        began = perf_counter()
        found: list[Entry] = []
        used = 0
        while used < len(block) and (not used or perf_counter() - began < _LONGEST):
            end = block.find(b"\n", used + _PIECE) + 1 or len(block)
            found += self._piece(block[used:end], at + used)
            used = end
        return found, used

    async def all(self, block: bytes, at: int = 0) -> Sequence[Entry]:
        """The events of all lines; others have their turn where that takes long."""
        entries, used = self.read(block, at)
        if used == len(block):
            return entries
        found = list(entries)
        while used < len(block):
            await asyncio.sleep(0)
            entries, some = self.read(block[used:], at + used)
            found += entries
            used += some
        return found

    def _piece(self, piece: bytes, at: int) -> Sequence[Entry]:
        """The events of some lines."""
        if self._make is None:
            try:
                return Reader(self._limits).block(piece)
            except Refusal:
                pass
        entries: list[Entry] = []
        for text in piece.split(b"\n"):
            bare = text.removesuffix(b"\r")
            if bare and not bare.isspace():
                entries.append(self._one(bare, at))
            at += len(text) + 1
        return entries

    def too_long(self, beginning: bytes, at: int) -> Event:
        """What stands for a line of which only the beginning was kept."""
        return self._unreadable(
            beginning,
            at,
            f"the line is longer than {self._limits.event} bytes; the rest is not kept",
        )

    def _one(self, text: bytes, at: int) -> Entry:
        try:
            if len(text) > self._limits.event:
                return self.too_long(text, at)
            if self._make is not None:
                return self._make(text)
            ((entry,),) = Reader(self._limits).lines(text)
            return entry
        except (Refusal, WebhookEventError) as error:
            return self._unreadable(text, at, str(error))

    def _of_text(self, text: bytes) -> Event:
        return self._event({"message": text.decode("utf-8", "backslashreplace")})

    def _of_json(self, text: bytes) -> Event:
        ((value,), _) = decode_values(text)
        if isinstance(value, WebhookEventError):
            raise value
        if not isinstance(value, dict):
            raise WebhookEventError("the line is no JSON object")
        return self._event(value)

    def _event(self, data: dict[str, Any]) -> Event:
        settings = self._settings
        return Event.create(
            settings.type,
            data,
            settings.severity,
            source=settings.source,
            max_bytes=2 * self._limits.event,  # bytes that are no UTF-8 are written longer
        )

    def _unreadable(self, text: bytes, at: int, why: str) -> Event:
        self.unreadable += 1
        shown = text[:_MOST_TEXT].decode("utf-8", "backslashreplace")
        data = {"origin": self._origin, "byte": at, "why": why, "text": shown}
        return Event.create(UNREADABLE, data, Severity.WARNING)
