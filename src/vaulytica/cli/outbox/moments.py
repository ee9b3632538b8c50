"""Moments as people write them, and as they are shown. Where no zone is given, it is UTC, as it is shown."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta

from vaulytica.errors import WebhookConfigError

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_PIECE = re.compile(
    r"(\d+)\s*(s|m|h|d|w)(?:ec(?:ond)?s?|in(?:ute)?s?|(?:ou)?rs?|ays?|eeks?)?\b\s*|(\d+)([smhdw])"
)
_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2})?")
_FORMS = (
    "a span ago (30m, 2h, 7d, 1h30m), today, yesterday, 2025-10-29, 2025-10-29T12:00:00Z, or 12:00"
)


def moment_of(text: str, option: str, now: float) -> float:
    """Seconds since 1970 of what an option says, which may be a span before `now`."""
    words = text.strip().lower().removesuffix("ago").rstrip()
    today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = {"today": 0, "yesterday": 1}
    try:
        if words == "now":
            return now
        if words in days:
            return (today - timedelta(days=days[words])).timestamp()
        if (span := _span(words)) is not None:
            return now - span
        if _CLOCK.fullmatch(words):
            clock = time.fromisoformat(words.zfill(len(words) + len(words) % 3 % 2))
            return datetime.combine(today, clock, UTC).timestamp()
        found = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        raise WebhookConfigError(f"{option}: {text!r} is no moment; give {_FORMS}") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _span(words: str) -> float | None:
    at, seconds = 0, 0
    while at < len(words):
        found = _PIECE.match(words, at)
        if found is None:
            return None
        seconds += int(found[1] or found[3]) * _SECONDS[found[2] or found[4]]
        at = found.end()
    return seconds if words else None


def moment(seconds: float) -> str:
    """For people and programs: RFC 3339, to the second."""
    return datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z")


def span(seconds: float | None) -> str:
    """For people: in the largest unit that fits."""
    if seconds is None:
        return "–"
    for unit in ("d", "h", "m"):
        if seconds >= 2 * _SECONDS[unit]:
            return f"{seconds / _SECONDS[unit]:.0f} {unit}"
    return f"{seconds:.0f} s"
