"""Index names: one name, or a pattern that each event fills in.

Rules for names: "Create index" in Elasticsearch's API reference; data streams and OpenSearch have the
same. A value of an event is made to fit them, so that an event cannot name what it must not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from string import Formatter
from typing import Any

from vaulytica.errors import WebhookConfigError, WebhookEventError
from vaulytica.events import Event
from vaulytica.lines import Line

_LONGEST = 255  # bytes of UTF-8
# Beside the forbidden punctuation: all spaces, control characters, and surrogates that are alone.
_FORBIDDEN = re.compile(r'[\\/*?"<>|,#:\s\x00-\x1f\x7f-\x9f\ud800-\udfff]')
_FIRST = "-_+"  # with which no name begins
_DATE = re.compile(r"(%[YymdHjGVu]|[^%])*")
_KNOWN = "{date:%Y.%m.%d}, {type}, {severity}, {source} and {data.…}"

Fill = Callable[[Event | Line, str], str]


def wrong_name(name: str) -> str | None:
    """What keeps this from being the name of an index; None if it is one."""
    if (found := _FORBIDDEN.search(name)) is not None:
        return f"holds {found[0]!r}"
    if name != name.lower():
        return "is not in lower case"
    if not name or name in (".", ".."):
        return "is empty, or dots only"
    if name[0] in _FIRST:
        return f"begins with {name[0]}"
    if len(name.encode()) > _LONGEST:
        return f"is longer than {_LONGEST} bytes"
    return None


class IndexPattern:
    """Such as `logs-vaulytica-{date:%Y.%m.%d}`; the date is the event's own, in UTC.

    `reads_data`: it has fields of the data; `reads_more`: of the event itself. Raises `WebhookConfigError` if it can give no name.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self.reads_data = self.reads_more = False
        self._parts: list[str | Fill] = []
        try:
            fields = list(Formatter().parse(text))
        except ValueError as error:
            raise self._wrong(f"is no pattern: {error}") from None
        for literal, name, spec, conversion in fields:
            if literal:
                self._parts.append(literal)
            if name is not None:
                self._parts.append(self._fill(name, spec or "", conversion))
        self._check_literals()

    @property
    def literal(self) -> str | None:
        """The one name that it is; None if events fill it in."""
        return (
            None if any(callable(part) for part in self._parts) else "".join(map(str, self._parts))
        )

    def name(self, event: Event | Line, stamp: str) -> str:
        """The index for an event of the time `stamp`; raises `WebhookEventError` if it gives none."""
        try:
            filled = [part if isinstance(part, str) else part(event, stamp) for part in self._parts]
        except LookupError as error:
            raise WebhookEventError(
                f"the index pattern needs {error.args[0]}, which is no text or number in this event",
                event_id=event.id,
            ) from None
        name = "".join(filled)
        if callable(self._parts[0]):  # an event shall not name a hidden index either
            name = name.lstrip(f"{_FIRST}.")
        if (why := wrong_name(name)) is not None:
            raise WebhookEventError(f"the index pattern gives a name that {why}", event_id=event.id)
        return name

    def _fill(self, name: str, spec: str, conversion: str | None) -> Fill:
        if conversion or (spec and name != "date"):
            raise self._wrong(f"has a field with more than a name; known are {_KNOWN}")
        if name == "date":
            if "%" not in spec or not _DATE.fullmatch(spec):
                raise self._wrong("needs a date such as {date:%Y.%m.%d}; of %YymdHjGVu")
            return lambda _, stamp: _safe(_date(datetime.fromisoformat(stamp[:19]), spec))
        if name in ("type", "severity", "source"):
            self.reads_more = True
            return lambda event, _: _safe(str(getattr(event, name)))
        path = name.removeprefix("data.")
        if path == name or not all(path.split(".")):
            raise self._wrong(f"has a field that is not known; known are {_KNOWN}")
        self.reads_data = True
        return lambda event, _: _safe(_found(event.data, path))

    def _check_literals(self) -> None:
        literals = "".join(part for part in self._parts if isinstance(part, str))
        first = "x" if self._parts and callable(self._parts[0]) else ""
        rest = "" if self.literal is not None else "x"
        if (why := wrong_name(f"{first}{literals}{rest}")) is not None:
            raise self._wrong(why)

    def _wrong(self, why: str) -> WebhookConfigError:
        shown = self._text if len(self._text) <= 80 else f"{self._text[:79]}…"
        return WebhookConfigError(f"format_options: index {shown!r} {why}")


def _date(moment: datetime, spec: str) -> str:
    """As strftime has it, but a year always in four digits."""
    for letter, year in (("%Y", moment.year), ("%G", moment.isocalendar().year)):
        spec = spec.replace(letter, f"{year:04}")
    return moment.strftime(spec)


def _safe(value: str) -> str:
    return _FORBIDDEN.sub("_", value.lower())


def _found(data: Any, path: str) -> str:
    """The text of the field; its name may be a path, or hold the dots itself."""
    value = data.get(path)
    if value is None:
        value = data
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, (str, int)) or value == "":
        raise LookupError(f"{{data.{path}}}")
    return str(value)
