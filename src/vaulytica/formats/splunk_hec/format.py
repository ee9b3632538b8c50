"""The format: what of HEC is there depends on its settings and on the endpoint that the URL names."""

from __future__ import annotations

import uuid
from collections.abc import Hashable, Sequence

from msgspec.structs import replace

from vaulytica.delivery.batching import Batch
from vaulytica.delivery.outcome import Outcome
from vaulytica.delivery.ports import Limits
from vaulytica.delivery.request import Header, Response
from vaulytica.errors import WebhookEventError
from vaulytica.events import Event
from vaulytica.formats.splunk_hec import answers
from vaulytica.formats.splunk_hec.ack import Acknowledgement
from vaulytica.formats.splunk_hec.channel import CHANNEL, COOKIE
from vaulytica.formats.splunk_hec.endpoint import is_raw, query, sibling, with_query
from vaulytica.formats.splunk_hec.event import LineWriter, inner, outer
from vaulytica.formats.splunk_hec.options import PLACE_NAMES, SplunkOptions, check_options, place
from vaulytica.jsonvalues import Dumps, compact_json

_DEFAULTS = SplunkOptions()
_LONGEST_PLACE = 2000  # characters; it goes into the URL, of which servers take 8000 or less


class SplunkHecFormat:
    """HEC events, one JSON object after another; on the raw endpoint, events as lines of text.

    Limits: 1 MB a request; the server's own limit (limits.conf, `max_content_length`) is far higher.
    """

    name = "splunk_hec"
    content_type = "application/json"
    limits = Limits(max_events=1000, max_bytes=1_000_000, between=1)
    Options = SplunkOptions
    header_names: tuple[str, ...] = ()  # the headers that it gives to requests

    def __init__(
        self, *, dumps: Dumps = compact_json, options: SplunkOptions = _DEFAULTS, url: str = ""
    ) -> None:
        self._raw = is_raw(url)
        check_options(options, raw=self._raw)
        self._dumps = dumps
        self._options = _with_place_of(url, options) if self._raw else options
        # A flow asks an object what it can: what these settings do not need is not there.
        if dumps is compact_json and not self._raw:
            self.encode_lines = LineWriter(options).write
        if dumps is not compact_json:  # signed: the guide's verifier reads the body as one document
            self.limits = replace(self.limits, max_events=1)
        self._acks: Acknowledgement | None = None
        if options.ack:
            self._acks = Acknowledgement(options, url, dumps)
            self.confirm = self._acks.confirm
            self.header_names = (CHANNEL, COOKIE)
        elif self._raw:
            self.header_names = (CHANNEL,)
        if self._raw or options.ack:
            self.address = self._address
        self._channel = options.channel or str(uuid.uuid4())

    def encode(self, event: Event) -> bytes:
        """The guide's document; for the raw endpoint what it has as `event`, on one line."""
        if not self._raw:
            return self._dumps(outer(event, self._options))
        beside = place(self._options, event)
        if "fields" in beside:
            raise WebhookEventError(
                "metadata: Splunk's raw endpoint takes no fields", event_id=event.id
            )
        if sum(map(len, beside.values())) > _LONGEST_PLACE:
            raise WebhookEventError(
                f"type, source and metadata are over {_LONGEST_PLACE} characters, "
                "too long for the URL of Splunk's raw endpoint",
                event_id=event.id,
            )
        return self._dumps(inner(event))

    def join(self, parts: Sequence[bytes]) -> bytes:
        """One object or line after another."""
        return b"\n".join(parts)

    def settle(self, response: Response, batch: Batch) -> list[Outcome]:
        """What the answer's code means, event by event where it names one."""
        return answers.settle(response, len(batch), ack=self._options.ack)

    def group(self, event: Event) -> Hashable:
        """The index that an event names: a wrong one fails all that travel with it (code 7).

        On the raw endpoint all that the URL says of its events.
        """
        if self._raw:
            return tuple(place(self._options, event).items())
        return None if event.metadata is None else event.metadata.get("index")

    def _address(self, url: str, batch: Batch) -> tuple[str, tuple[Header, ...]]:
        """The URL, which on the raw endpoint says where the events belong; and the channel."""
        if self._raw and (event := batch.items[0].event) is not None:
            url = with_query(url, place(self._options, event))
        headers = self._acks.headers(batch) if self._acks else ((CHANNEL, self._channel),)
        return url, headers

    def health(self, url: str) -> str | None:
        """`/services/collector/health`, by which name other receivers of HEC have it too."""
        return sibling(url, "health")

    def healthy(self, response: Response) -> str | None:
        """What it says is wrong; None if nothing, or if it is no such page."""
        return answers.unhealthy(response)


def _with_place_of(url: str, options: SplunkOptions) -> SplunkOptions:
    """What the URL itself says of all events, where the settings do not."""
    said = query(url)
    given = {n: said[n] for n in PLACE_NAMES if said.get(n) and getattr(options, n) is None}
    return replace(options, **given)
