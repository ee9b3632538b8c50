"""DatadogLogs: the log intake, v2.

Sources: Datadog's "Send logs" reference and its OpenAPI description (`SubmitLog`).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from vaulytica.receiving.destinations.bodies import (
    CodingError,
    TooLargeError,
    json_texts,
    target,
    unpacked,
)
from vaulytica.receiving.destinations.strict import (
    Refused,
    StrictDestination,
    What,
    json_answer,
)
from vaulytica.receiving.receiver import Answer, Header, Received

_MOST_ENTRIES = 1000
_LONGEST_ENTRY = 1_000_000  # bytes, uncompressed; "1MB" might mean a little more
_TEXTS = ("message", "ddsource", "ddtags", "hostname", "service")
_LATER = (408, 429, 500, 502, 503, 504)


@dataclass(kw_only=True)
class DatadogLogs(StrictDestination):
    """What is taken is in `events`, an entry each, its message cut where it was too long.

    `cut` holds such entries as they were sent: the real one cuts them and says nothing of it.
    `refuse` gives an HTTP status; `reset` are the seconds that a 429 says to wait.
    """

    reset: int = 1
    max_bytes: int = 5_000_000

    def __post_init__(self) -> None:
        super().__post_init__()
        self.cut: deque[Any] = deque(maxlen=self.keep)

    def _answer(self, request: Received, number: int) -> Answer:
        path, query = target(request.path)
        if path != "/api/v2/logs":
            raise self._said(404, f"no such path: {path}")
        if request.method != "POST":
            raise self._said(405, f"{request.method} is not for logs")
        key = request.header("DD-API-KEY") or query.get("dd-api-key")
        if not key:
            raise self._said(401, "API key is missing")
        if self.token not in (None, key):
            raise self._said(403, "API key is invalid")
        status = self._refused(number)
        if status is not None:
            raise self._said(status, "as told")
        entries = self._entries(request)
        for entry, _ in entries:
            why = self._rejected(entry)
            if why is not None:
                raise self._said(400, why)
        put_off = [entry for entry, _ in entries if self._deferred(entry)]
        if put_off:
            raise self._said(429, "Too many requests")
        for entry, size in entries:
            self._take_cut(entry, size)
        return json_answer(202, {})

    def _entries(self, request: Received) -> list[tuple[dict[str, Any], int]]:
        """The entries, each with its bytes."""
        media_type = (request.header("Content-Type") or "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise self._said(415, f"Content-Type is {media_type or 'missing'}")
        coding = (request.header("Content-Encoding") or "").lower()
        try:
            text = unpacked(request.body, coding, self.max_bytes).decode("utf-8")
            entries = [(entry, len(spelled.encode("utf-8"))) for entry, spelled in json_texts(text)]
        except TooLargeError:
            raise self._said(413, f"Payload is over {self.max_bytes} bytes uncompressed") from None
        except LookupError:
            raise self._said(415, f"Content-Encoding {coding} is not supported") from None
        except (CodingError, ValueError) as error:
            raise self._said(400, f"Invalid payload: {error}") from None
        if len(entries) > _MOST_ENTRIES:  # what the real one says then is not documented
            raise self._said(400, f"{len(entries)} entries are over {_MOST_ENTRIES}")
        for number, (entry, _) in enumerate(entries):
            if not isinstance(entry, dict) or "message" not in entry:
                raise self._said(400, f"Invalid payload: entry {number} is no log with a message")
            if not all(isinstance(entry.get(name, ""), str) for name in _TEXTS):
                raise self._said(400, f"Invalid payload: a text of entry {number} is none")
        return entries

    def _take_cut(self, entry: dict[str, Any], size: int) -> None:
        if size <= _LONGEST_ENTRY:
            self._take(entry)
            return
        self.cut.append(entry)
        message = entry["message"].encode("utf-8", "replace")
        kept = message[: max(0, len(message) - (size - _LONGEST_ENTRY))]
        self._take({**entry, "message": kept.decode("utf-8", "ignore")})
        self._note(What.CUT, entry, f"{size} bytes are over {_LONGEST_ENTRY}")

    def _said(self, status: int, detail: str) -> Refused:
        title = HTTPStatus(status).phrase
        headers: tuple[Header, ...] = ()
        if status == 429:
            headers = (
                ("X-RateLimit-Limit", "1"),
                ("X-RateLimit-Period", str(self.reset)),
                ("X-RateLimit-Remaining", "0"),
                ("X-RateLimit-Reset", str(self.reset)),
            )
        body = {"errors": [{"status": str(status), "title": title, "detail": detail}]}
        what = What.DEFERRED if status in _LATER else What.REFUSED
        return Refused(json_answer(status, body, headers), f"{title}: {detail}", what=what)
