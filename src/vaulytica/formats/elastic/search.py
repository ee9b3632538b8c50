"""What the formats share: a document a request, as to `/<index>/_doc`; or many, to a URL ending in `/_bulk`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

import msgspec

from vaulytica.delivery.batching import Batch
from vaulytica.delivery.outcome import Outcome
from vaulytica.delivery.ports import Limits
from vaulytica.delivery.request import Header, Response
from vaulytica.errors import WebhookConfigError, WebhookEventError
from vaulytica.events import Event
from vaulytica.formats.document import DocumentFormat
from vaulytica.formats.elastic import answers
from vaulytica.formats.elastic.action import ActionWriter, Around
from vaulytica.formats.elastic.index import IndexPattern
from vaulytica.jsonvalues import Dumps, compact_json
from vaulytica.lines import Line, Lines, Written

_BULK = "/_bulk"
_ANSWER_BYTES = 16 * 1024 * 1024  # an item that failed takes some hundred bytes, or a few thousand
_NEEDED = "errors,items.*.status,items.*.error,items.*.failure_store,items.*._id"


# The pieces of a document but its end: those of its action, and what is between those of its own.
_FIXED = ("", "", "", '{"@timestamp":"', "", '",', "", ',"vaulytica":', "")
_BEFORE_ID, _ID, _AFTER_ID, _, _STAMP, _, _HEAD, _, _DATA = range(len(_FIXED))


class ElasticOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`index`: a name, or a pattern such as `logs-{data.tenant}-{date:%Y.%m.%d}`.

    An event's own `index` in its metadata comes first.
    """

    index: str | None = None


_DEFAULTS = ElasticOptions()


class SearchFormat(DocumentFormat):
    """Documents for Elasticsearch and OpenSearch; which, the classes below say.

    Limits of a bulk: the smallest managed servers take 10 MB a request; half of that is quick everywhere.
    """

    Options = ElasticOptions
    bulk_limits = Limits(max_events=1000, max_bytes=5_000_000)

    def __init__(
        self, *, dumps: Dumps = compact_json, options: ElasticOptions = _DEFAULTS, url: str = ""
    ) -> None:
        super().__init__(dumps=dumps)
        path = urlsplit(url).path.rstrip("/")
        self._bulk = path.endswith(_BULK)
        self._actions: ActionWriter | None = None
        self._end = b"}"  # of the document, and in a bulk of its line
        self._reads_data = False
        if self._bulk:
            self._begin_bulks(options.index, path)
        elif options.index is not None:
            raise WebhookConfigError(f"format_options: index needs a URL that ends in {_BULK}")

    def _begin_bulks(self, index: str | None, path: str) -> None:
        if index is None and path == _BULK:
            raise WebhookConfigError(
                f"url: {_BULK} names no index; set format_options.index, or use /<index>{_BULK}"
            )
        pattern = None if index is None else IndexPattern(index)
        self._actions = ActionWriter(pattern, self._dumps)
        self._end = b"}\n"
        self._reads_data = pattern is not None and pattern.reads_data
        self.content_type = "application/x-ndjson"
        self.limits = self.bulk_limits
        # A flow asks an object what it can: for one document the answer is short, the URL as given.
        self.answer_bytes = _ANSWER_BYTES
        self.address = _address

    @abstractmethod
    def members(self, event: Event | Line) -> dict[str, Any]:
        """What the document has between `@timestamp` and the data, which is under `vaulytica`."""

    def head(self, event: Event | Line) -> str:
        """These members as JSON, without braces."""
        return _inner_text(self.members(event))

    def heads(self, lines: Lines) -> Iterable[str]:
        """The same of each line."""
        return map(self.head, lines)

    def document(self, event: Event) -> dict[str, Any]:
        """The whole document."""
        return {"@timestamp": event.rfc3339, **self.members(event), "vaulytica": event.data}

    def encode(self, event: Event) -> bytes:
        """The document; in a bulk with the line of its action before it, each with its end."""
        stamp = event.rfc3339
        action = self._actions.write(event, stamp) if self._actions else _no_action(event)
        if self._dumps is not compact_json:
            document = self._dumps(self.document(event))[:-1]
            return action.encode() + document + self._end
        head = f'{action}{{"@timestamp":"{stamp}",{self.head(event)},"vaulytica":'
        return head.encode() + compact_json(event.data) + self._end

    def encode_lines(self, lines: Lines) -> Written:
        """The same of lines, their data left as it was read; odd are those that are to be looked into."""
        if self._dumps is not compact_json or self._reads_data:
            return Written(b"", 0, list, range(len(lines)))
        arounds = self._arounds(lines.rows)
        datas = [str(row.data, "utf-8") for row in lines.rows]
        odd: list[int] = []
        if None in arounds or "\n" in "".join(datas):
            odd = [n for n, data in enumerate(datas) if arounds[n] is None or "\n" in data]
            fit = sorted(set(range(len(lines))).difference(odd))
            lines = Lines([lines.rows[n] for n in fit], [lines.ids[n] for n in fit])
            arounds, datas = [arounds[n] for n in fit], [datas[n] for n in fit]
        text = self._text(lines, [around for around in arounds if around], datas).encode()
        return Written(text, 0, partial(_sizes, text, bulk=self._bulk), odd)

    def _text(self, lines: Lines, arounds: list[Around], datas: list[str]) -> str:
        """By columns: a piece of all documents is made at once, and one join puts the pieces in turn."""
        pieces = [*_FIXED, self._end.decode()] * len(lines)
        width = len(_FIXED) + 1
        if self._actions is not None:
            pieces[_BEFORE_ID::width] = [before for before, _ in arounds]
            pieces[_ID::width] = self._actions.ids(lines.ids)
            pieces[_AFTER_ID::width] = [after for _, after in arounds]
        pieces[_STAMP::width] = [row.timestamp for row in lines.rows]
        pieces[_HEAD::width] = self.heads(lines)
        pieces[_DATA::width] = datas
        return "".join(pieces)

    def _arounds(self, rows: list[Line]) -> Sequence[Around | None]:
        if self._actions is not None:
            return self._actions.arounds(rows)
        return [_NOTHING if row.metadata is None else None for row in rows]

    def join(self, parts: Sequence[bytes]) -> bytes:
        """The one document; in a bulk all lines."""
        return super().join(parts) if not self._bulk else b"".join(parts)

    def settle(self, response: Response, batch: Batch) -> list[Outcome]:
        """What became of each event: in a bulk's answer item by item."""
        if not self._bulk:
            return [answers.of_request(response)] * len(batch)
        return answers.of_bulk(response, batch)


def _no_action(event: Event) -> str:
    if event.metadata is not None and event.metadata.get("index") is not None:
        raise WebhookEventError(
            f"metadata: index needs a URL that ends in {_BULK}", event_id=event.id
        )
    return ""


_NOTHING = "", ""


def _sizes(text: bytes, *, bulk: bool) -> list[int]:
    """Of each part, in bytes: in a bulk that is two lines."""
    if not bulk:
        return [len(text)] if text else []
    ends = list(map(len, text.split(b"\n")))
    return [action + document + 2 for action, document in zip(ends[0::2], ends[1::2], strict=False)]


def _inner_text(members: dict[str, Any]) -> str:
    """An object as JSON, without its braces."""
    return compact_json(members)[1:-1].decode()


def _address(url: str, _batch: Batch) -> tuple[str, tuple[Header, ...]]:
    """The URL, which asks for what is needed of the answer only, unless it says itself what to answer."""
    parts = urlsplit(url)
    if "filter_path" in dict(parse_qsl(parts.query, keep_blank_values=True)):
        return url, ()
    # Encoded, since signatures of AWS are over the encoded form.
    wanted = f"filter_path={quote(_NEEDED, safe='')}"
    query = f"{parts.query}&{wanted}" if parts.query else wanted
    return urlunsplit((*parts[:3], query, "")), ()
