"""The whole way of events, from a sender to a strict receiver, without sockets: formats and a wire."""

from __future__ import annotations

import asyncio
import json
import random
import selectors
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from support.drivers import Sending, config_for, sending
from support.heart import OwnClock
from support.hook import Hook
from vaulytica.errors import FailureKind
from vaulytica.integrations.webhook import Request, Response, TransportFailure
from vaulytica.receiving.destinations import DESTINATIONS
from vaulytica.receiving.destinations.strict import StrictDestination
from vaulytica.receiving.receiver import Lost, Received

Data = dict[str, Any]


# --- The formats, and how to read at the other end what they wrote.

Read = Callable[[Any], Data]


@dataclass(frozen=True)
class Way:
    """A format, the receiver that reads it, and how an event that it holds tells its data."""

    name: str
    path: str
    receiver: Callable[..., StrictDestination]
    data: Read
    settings: Mapping[str, Any] = field(default_factory=dict)
    layout: Mapping[str, Any] = field(default_factory=dict)  # of `batch`
    refusals: Sequence[int] = (429, 503, 500, 413, 408, 400, 404, 401)
    mangles: Sequence[str] = ("html", "half")
    is_idempotent: bool = False
    can_reject: bool = True

    @property
    def is_single(self) -> bool:
        """Whether each event has a request of its own."""
        return self is SINGLE

    @property
    def url(self) -> str:
        """Where to send."""
        return f"https://siem.example.com{self.path}"

    def number(self, stored: Any) -> int:
        number: int = self.data(stored)["n"]
        return number

    def __repr__(self) -> str:
        return self.name


def _of_hec(stored: Any) -> Data:
    return {k: v for k, v in stored["event"].items() if k not in _ENVELOPE}


def _of_raw(stored: Any) -> Data:
    return {k: v for k, v in json.loads(stored["event"]).items() if k not in _ENVELOPE}


def _of_search(stored: Any) -> Data:
    data: Data = stored.get("_source", stored)["vaulytica"]
    return data


def _under(name: str) -> Read:
    return lambda stored: stored[name]


_ENVELOPE = ("event_type", "severity", "timestamp")
_TOKEN = {"auth_type": "api_key", "api_key": "fake-token", "api_key_header": "Authorization"}
_KEY = {"auth_type": "api_key", "api_key": "fake-key", "api_key_header": "DD-API-KEY"}
_HEC = {"format": "splunk_hec", "auth": _TOKEN}
_CODES = (9, 26, 27, 23, 8, 24, 25, 6, 10, 4, 413, 503, 502)
_BULK_MANGLES = ("html", "half", "fewer_items", "more_items", "previous")


def _strict(name: str, **own: Any) -> Callable[..., StrictDestination]:
    return lambda **faults: DESTINATIONS.load(name)(**own, **faults)


def _search(format: str, name: str, path: str, **options: Any) -> Way:
    return Way(
        name,
        path,
        _strict("elastic"),
        _of_search,
        {"format": format, "format_options": options},
        mangles=_BULK_MANGLES,
        is_idempotent=True,
    )


def _hook(name: str, layout: Mapping[str, Any], data: Read, **settings: Any) -> Way:
    def made(**faults: Any) -> StrictDestination:
        return Hook(array=bool(layout), **faults)

    return Way(name, "/hook", made, data, settings or {"format": "json"}, layout)


def _document(event: Mapping[str, Any]) -> Data:
    return {"what": event["event_type"], "body": event["event_data"]}


HEC = Way("hec", "/services/collector/event", _strict("splunk_hec"), _of_hec, _HEC, refusals=_CODES)
HEC_RAW = Way(
    "hec raw",
    "/services/collector/raw",
    _strict("splunk_hec"),
    _of_raw,
    _HEC,
    refusals=_CODES,
    can_reject=False,
)
HEC_ACK = replace(
    HEC,
    name="hec with acks",
    settings=_HEC | {"format_options": {"ack": True, "ack_interval": 1.0, "ack_timeout": 30.0}},
    receiver=_strict("splunk_hec", ack=True),
    mangles=("html", "half", "no_ack_id", "other_acks"),
)
BULKS = (
    _search("elastic", "elastic", "/logs-vaulytica-default/_bulk"),
    _search("ecs", "ecs", "/_bulk", index="alerts-{date:%Y.%m}-{type}"),
)
LOGS = Way(
    "datadog_logs",
    "/api/v2/logs",
    _strict("datadog_logs"),
    _under("vaulytica"),
    {"format": "datadog_logs", "auth": _KEY},
)
ARRAY = _hook("json array", {"as": "array"}, _under("data"))
NDJSON = _hook("json ndjson", {"as": "ndjson"}, _under("data"))
CUSTOM = _hook(
    "custom array",
    {"as": "array"},
    _under("body"),
    format="custom",
    custom_template_func=_document,
)
SINGLE = _hook("json", {}, _under("data"))
BATCHED = (HEC, HEC_RAW, *BULKS, LOGS, ARRAY, NDJSON)
WAYS = (*BATCHED, CUSTOM, SINGLE)


# --- The wire: a transport that hands requests to a receiver.


class Wire:
    """Carries requests to the receiver and answers back, each in `took` seconds of the clock.

    `cut(n, now)`: whether the nth request does not get there.
    """

    def __init__(
        self,
        receiver: StrictDestination,
        clock: OwnClock,
        *,
        cut: Callable[[int, float], bool] = lambda n, now: False,
        took: float = 0.01,
    ) -> None:
        self.receiver = receiver
        self._clock = clock
        self._cut = cut
        self._took = took
        self.requests: list[Request] = []
        self.errors: list[
            Exception
        ] = []  # of the receiver: a sender would take them for a fault of the network

    def send(self, request: Request) -> Response:
        self.requests.append(request)
        self._pass()
        if self._cut(len(self.requests), self._clock.now):
            raise TransportFailure(FailureKind.CONNECT, "connection refused")
        url = urlsplit(request.url)
        path = f"{url.path}?{url.query}" if url.query else url.path
        now = self._clock.time()
        received = Received(request.method, path, request.headers, request.body, now, None, 0)
        try:
            answer = self.receiver.answer(received)
        except Lost:
            raise TransportFailure(FailureKind.BROKEN, "the connection broke") from None
        except Exception as error:
            self.errors.append(error)
            raise
        return Response(answer.status, answer.headers, answer.body[: request.answer_bytes])

    def _pass(self) -> None:
        self._clock.sleep(self._took)

    def close(self) -> None: ...


class AsyncWire(Wire):
    """The same for asyncio, where others go on while a request is on its way."""

    async def send(self, request: Request) -> Response:  # type: ignore[override]
        await asyncio.sleep(self._took)
        return super().send(request)

    def _pass(self) -> None: ...  # it has, already

    async def aclose(self) -> None: ...


_TICK = 1e-6  # seconds; a float since 1970 knows no less


class _Skipping(selectors.SelectSelector):
    """Where a loop would wait for a timer, its clock moves there at once."""

    def __init__(self, clock: OwnClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "all tasks wait for each other, for ever"
        if timeout > 0:
            self._clock.sleep(max(timeout, _TICK))
        return super().select(0)


class OwnLoop(asyncio.SelectorEventLoop):
    """A loop whose time is a clock of the test's: it moves only when every task waits."""

    def __init__(self, clock: OwnClock) -> None:
        super().__init__(_Skipping(clock))
        self.time = clock.monotonic  # type: ignore[method-assign]
        self._clock_resolution = _TICK


def on_wire(
    kind: str,
    way: Way,
    receiver: StrictDestination,
    clock: OwnClock | None = None,
    *,
    batch: Mapping[str, Any] | None = None,
    wire: Mapping[str, Any] | None = None,
    **settings: Any,
) -> tuple[Sending, Wire]:
    """A sender of this kind on a clock of its own, and its wire to the receiver."""
    clock = clock or OwnClock()
    batch = {**way.layout, **(batch or {})}
    config = config_for(way.url, **dict(way.settings), **settings, batch=batch)
    parts: dict[str, Any] = {"clock": clock, "rng": random.Random(7)}
    if kind == "sync":
        carried = Wire(receiver, clock, **(wire or {}))
        return sending(kind, config, transport=carried, sleep=clock.sleep, **parts), carried
    carried = AsyncWire(receiver, clock, **(wire or {}))
    sender = sending(kind, config, patient=True, transport=carried, **parts)
    sender.runner = asyncio.Runner(loop_factory=lambda: OwnLoop(clock))
    return sender, carried
