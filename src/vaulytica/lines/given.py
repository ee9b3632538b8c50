"""Given: what callers hand over as dicts, written down as lines at once, as the dicts may be changed after."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from vaulytica.events import parse_timestamp
from vaulytica.jsonvalues import format_timestamp, is_plain
from vaulytica.lines.decoding import decode_texts
from vaulytica.lines.lines import Entries, Lines

_write = msgspec.json.Encoder().encode
_ROOM = 64 * 1024  # characters; what may be larger is looked at with more care


class Given:
    """Takes in dicts one by one as `texts`, and gives them as lines together. `max_bytes`: of one event."""

    def __init__(self, max_bytes: int) -> None:
        self._room = min(max_bytes, _ROOM)
        self.texts: list[bytes] = []
        self._now = 0, ""

    def take_in(self, entry: dict[Any, Any]) -> bool:
        """Write it down; or False, if not all in it is plain: then it is for `Event.from_mapping`."""
        try:
            if type(stamp := entry.get("timestamp")) is not str:
                entry = {**entry, "timestamp": self._stamp(stamp)}
            if not is_plain(entry, self._room):
                return False
            text = _write(entry)
        except Exception:  # noqa: BLE001 - of values of any kind; the thorough way says what is wrong
            return False
        if len(text) > self._room:
            return False
        self.texts.append(text)
        return True

    def take(self) -> Lines | Entries:
        """All that was taken in since the last time; see `decode`."""
        texts, self.texts = self.texts, []
        return decode_texts(texts, time.time_ns() // 1_000_000)

    def _stamp(self, value: Any) -> str:
        """As an event prints it; None is now."""
        if value is not None:
            return format_timestamp(parse_timestamp(value))
        now_ms = time.time_ns() // 1_000_000
        if now_ms != self._now[0]:
            self._now = now_ms, format_timestamp(parse_timestamp(now_ms / 1000))
        return self._now[1]
