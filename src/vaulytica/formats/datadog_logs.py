"""Datadog Logs v2, `/api/v2/logs`: entries in a JSON array.

Source: Datadog's API reference ("Send logs"), its reserved attributes, and its date remapper, which
reads ISO 8601 in `timestamp`. An entry of over 1 MB would be cut silently by a 2xx: so we cut it, and
say so in it. Logs older than 18 hours are not taken at their own time.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from typing import Annotated, Any

import msgspec
from msgspec.structs import replace

from vaulytica.delivery.batching import Batch, Item
from vaulytica.delivery.outcome import (
    Deferred,
    Delivered,
    Outcome,
    Reason,
    ReasonKind,
    Rejected,
    words,
)
from vaulytica.delivery.ports import Limits
from vaulytica.delivery.request import Response
from vaulytica.errors import WebhookConfigError, WebhookEventError
from vaulytica.events import Event
from vaulytica.formats.datadog import CUT_MARK
from vaulytica.formats.datadog_sites import Intake, site_url
from vaulytica.formats.document import DocumentFormat, Layout
from vaulytica.formats.success import says_success
from vaulytica.jsonvalues import Dumps, compact_json
from vaulytica.lines import Line, Lines, Written, written

MAX_ENTRY = 1_000_000  # bytes
_SLACK = 64  # bytes that a cut leaves free at most: half a character, digits of the count

Text = Annotated[str, msgspec.Meta(min_length=1)]


class DatadogLogsMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """What an event's metadata may set for itself; its tags come on top of the destination's."""

    ddsource: Text | None = None
    service: Text | None = None
    hostname: Text | None = None
    tags: list[Text] | dict[Text, Text] = msgspec.field(default_factory=list)


class DatadogLogsOptions(
    DatadogLogsMetadata, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """Settings of the format. `site`: a name such as `us5`, or a domain, in place of a URL.

    `service` is the event's own source unless given; `tags`: `["env:prod"]` or `{env: prod}`.
    """

    ddsource: Text = "vaulytica"
    site: str | None = None


class _Evt(msgspec.Struct, omit_defaults=True, gc=False):
    """Datadog's standard attributes of an event, and what is ours; `cut_bytes` of the data are missing."""

    name: str
    id: str
    source: str
    cut_bytes: int | None = None


class _Entry(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """One log entry: Datadog's reserved attributes, then `evt`, and the data as attributes of its own."""

    ddsource: str
    ddtags: str | None = None
    hostname: str | None = None
    service: str
    status: str  # Datadog's words are the severities' own
    timestamp: str
    message: str
    evt: _Evt
    vaulytica: Any = None


class DatadogLogsFormat(DocumentFormat):
    """The event's type as the message, its data as attributes under `vaulytica`."""

    name = "datadog_logs"
    most = Limits(max_events=1000, max_bytes=5_000_000, hard=True)
    Options = DatadogLogsOptions

    def __init__(
        self,
        *,
        dumps: Dumps = compact_json,
        options: DatadogLogsOptions | None = None,
        url: str = "",
    ) -> None:
        super().__init__(dumps=dumps, layout=Layout.ARRAY)
        self._options = options or DatadogLogsOptions()
        self.default_url(self._options)  # a site that is not one is told of here
        try:
            self._tags = _tags(self._options)
        except ValueError as error:
            raise WebhookConfigError(f"format_options: {error}") from None

    @staticmethod
    def default_url(options: DatadogLogsOptions) -> str | None:
        """Where the site takes in logs; None without a site."""
        return None if options.site is None else site_url(options.site, Intake.LOGS)

    def document(self, event: Event) -> dict[str, Any]:
        """The entry, whole."""
        document: dict[str, Any] = msgspec.to_builtins(self._entry(event, event.rfc3339))
        return document

    def encode(self, event: Event) -> bytes:
        """The entry, its data cut where it is over-long."""
        part = super().encode(event)
        return part if len(part) <= MAX_ENTRY else self._cut(event)

    def encode_lines(self, lines: Lines) -> Written:
        """The same of lines, their data left as it was read."""
        return written([self._line(line) for line in lines], self._between)

    def _line(self, line: Line) -> bytes | None:
        if line.metadata is not None:
            return None
        part = self._spliced(self._entry(line, line.timestamp))
        return None if part is None or len(part) > MAX_ENTRY else part

    def settle(self, response: Response, batch: Batch) -> list[Outcome]:
        """What the status says, for all; a 2xx only if the body can be Datadog's: empty, or an object.

        An entry that was cut is delivered with a note.
        """
        outcomes = super().settle(response, batch)
        first = outcomes[0]
        if isinstance(first, Rejected) and response.status == 403 and _is_object(response.body):
            of_the_key = replace(first.reason, shared=False, of_all=True)
            return [Rejected(of_the_key)] * len(batch)
        if not isinstance(first, Delivered):
            return outcomes
        if not _is_datadogs(response.body):
            text = f"HTTP {response.status}, but no answer of Datadog's{words(response)}"
            why = Deferred(Reason(ReasonKind.SERVER, text, response.status))
            return [why] * len(batch)
        at = 0
        for piece in batch.pieces:
            if isinstance(piece, Item):
                missing = _cut_bytes(piece.part)
                if missing:
                    note = f"cut to Datadog's limit of {MAX_ENTRY} bytes: {missing} bytes of data are missing"
                    outcomes[at] = Delivered(response.status, note)
                at += 1
            else:  # what was written by the hundred is whole
                at += len(piece.ids)
        return outcomes

    def _entry(self, event: Event | Line, timestamp: str) -> _Entry:
        options, tags = self._options, self._tags
        ddsource, service, hostname = options.ddsource, options.service, options.hostname
        if event.metadata is not None:
            own = _metadata(event)
            ddsource, service = own.ddsource or ddsource, own.service or service
            hostname, tags = own.hostname or hostname, tags + _tags(own)
        return _Entry(
            ddsource=ddsource,
            ddtags=",".join(tags) or None,
            hostname=hostname,
            service=service or event.source,
            status=event.severity,
            timestamp=timestamp,
            message=event.type,
            evt=_Evt(event.type, event.id, event.source),
            vaulytica=event.data,
        )

    def _cut(self, event: Event) -> bytes:
        """The entry with as much of the data as there is room for, as text in the message."""
        text = compact_json(event.data).decode()
        whole = len(text.encode())
        document = self.document(event)
        del document["vaulytica"]

        def written(taken: int, missing: int = whole) -> bytes:
            document["evt"]["cut_bytes"] = missing
            document["message"] = f"{event.type} {text[:taken]}{CUT_MARK}"
            return self._dumps(document)

        lengths = range(min(len(text), MAX_ENTRY))
        taken = bisect_right(lengths, MAX_ENTRY, key=lambda taken: len(written(taken))) - 1
        if taken < 0:
            raise WebhookEventError(
                f"the event is over Datadog's limit of {MAX_ENTRY} bytes even without its data",
                event_id=event.id,
            )
        return written(taken, whole - len(text[:taken].encode()))


def _metadata(event: Event | Line) -> DatadogLogsMetadata:
    try:
        own = msgspec.convert(event.metadata, DatadogLogsMetadata)
        _tags(own)
    except ValueError as error:  # msgspec's are of that kind too
        raise WebhookEventError(f"event metadata: {error}", event_id=event.id) from None
    return own


def _tags(own: DatadogLogsMetadata) -> list[str]:
    tags = own.tags
    texts = [f"{key}:{tags[key]}" for key in tags] if isinstance(tags, dict) else tags
    if any("," in text for text in texts):
        raise ValueError("a tag holds a comma, with which the next one would begin")
    return texts


def _cut_bytes(part: bytes) -> int:
    """How many bytes of its data an entry lacks; only one near the limit can have been cut."""
    if len(part) <= MAX_ENTRY - _SLACK:
        return 0
    missing: int = json.loads(part)["evt"].get("cut_bytes") or 0
    return missing


def _is_object(body: bytes) -> bool:
    """Whether these are Datadog's own words, as JSON; a firewall has a page."""
    try:
        return isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        return False


def _is_datadogs(body: bytes) -> bool:
    """Whether this can be the body of Datadog's 2xx: nothing, `{}`, or what plainly says the same."""
    if not body.strip():
        return True
    try:
        return says_success(json.loads(body))
    except (ValueError, RecursionError):
        return False
