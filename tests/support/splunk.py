"""For tests of Splunk's acknowledgement: batches sent as an attempt does it, side by side, to indexers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from support.heart import OwnClock, batch_of, destination, guide_event, header
from vaulytica.delivery.batching import Batch
from vaulytica.delivery.lane import Lane
from vaulytica.delivery.outcome import Delivered, Outcome
from vaulytica.delivery.ports import Flow, Send, Turn
from vaulytica.delivery.request import Request, Response
from vaulytica.formats.splunk_hec import SplunkHecFormat, SplunkOptions

URL = "https://splunk.example.com:8088/services/collector/event"
GUID = "0aa5ad9f-79b6-4a6c-9ac6-8f0a8aa1b1c5"


def made(url: str = URL, **options: Any) -> SplunkHecFormat:
    return SplunkHecFormat(options=SplunkOptions(ack=True, **options), url=url)


def to(format: SplunkHecFormat, **changes: Any) -> Any:
    return destination(url=URL, format=format, id_headers=(), **changes)


def a_batch(format: SplunkHecFormat, count: int = 2) -> Batch:
    return batch_of(format, *(guide_event() for _ in range(count)))


def taken(id: Any = 0, cookie: str | None = None, **body: Any) -> Response:
    headers = [] if cookie is None else [("Set-Cookie", cookie)]
    answer = {"text": "Success", "code": 0, "ackId": id} | body
    return Response(200, headers, json.dumps(answer).encode())


def acks(**said: Any) -> Response:
    return Response(200, (), json.dumps({"acks": {k[1:]: v for k, v in said.items()}}).encode())


def sent(to: Any, batch: Batch, clock: Any) -> Flow[list[Outcome]]:
    """A request for the batch, and the confirmation: as an attempt does it. `to`: a destination, or a lane."""
    lane = to if isinstance(to, Lane) else Lane(to)
    to = lane.destination
    response = yield from to.auth.flow(to.request(batch), clock.time())
    outcomes = to.format.settle(response, batch)
    if not any(isinstance(outcome, Delivered) for outcome in outcomes):
        return outcomes  # type: ignore[no-any-return]
    return (yield from lane.destination.format.confirm(lane, response, batch, clock))  # type: ignore[no-any-return]


def asked(request: Request) -> list[int]:
    found: list[int] = json.loads(request.body)["acks"]
    return found


def channel_of(request: Request) -> tuple[str | None, str | None]:
    return header(request, "X-Splunk-Request-Channel"), header(request, "Cookie")


class Together:
    """Runs flows side by side on one clock; requests are answered by a function, in their order."""

    def __init__(self, answer: Callable[[Request], Response]) -> None:
        self.clock = OwnClock()
        self.answer = answer
        self.requests: list[Request] = []

    def run(self, *flows: Flow[Any]) -> list[Any]:
        results: dict[int, Any] = {}
        ready: list[tuple[int, Any]] = [(n, None) for n in range(len(flows))]
        parked: list[tuple[float, int, Turn]] = []
        while ready or parked:
            if not ready:
                self.clock.now = max(self.clock.now, min(parked, key=lambda one: one[0])[0])
                again, parked = parked, []
                for _, n, effect in again:
                    self._turn(n, effect, ready, parked)
                continue
            n, value = ready.pop(0)
            try:
                effect = flows[n].send(value)
            except StopIteration as stop:
                results[n] = stop.value
                continue
            if isinstance(effect, Send):
                self.requests.append(effect.request)
                ready.append((n, self.answer(effect.request)))
            else:
                assert isinstance(effect, Turn)
                self._turn(n, effect, ready, parked)
        return [results[n] for n in range(len(flows))]

    def _turn(self, n: int, effect: Turn, ready: Any, parked: Any) -> None:
        seconds = effect.ask()
        if seconds > 0:
            parked.append((self.clock.now + seconds, n, effect))
        else:
            ready.append((n, None))


class Indexers:
    """Indexers behind a balancer that leads by a cookie; each counts ids by channel, and tells once."""

    def __init__(self, *names: str, after: int = 0) -> None:
        self.names = list(names)
        self.after = after  # polls for an id until it is indexed
        self.ids: dict[tuple[str, str], dict[int, int]] = {}
        self.next: dict[tuple[str, str], int] = {}
        self.events = 0
        self.polls = 0

    def __call__(self, request: Request) -> Response:
        channel, cookie = channel_of(request)
        assert channel is not None
        name = (cookie or "").removeprefix("LB=")
        set_cookie = None
        if name not in self.names:
            name = self.names[self.events % len(self.names)]
            set_cookie = f"LB={name}" if len(self.names) > 1 or cookie else None
        waiting = self.ids.setdefault((name, channel), {})
        if "/ack?" not in request.url:
            self.events += 1
            id = self.next.get((name, channel), 0)
            self.next[name, channel] = id + 1
            waiting[id] = self.after
            return taken(id, set_cookie)
        self.polls += 1
        said = {}
        for id in asked(request):
            waiting[id] = waiting.get(id, 10**6) - 1
            said[f"_{id}"] = waiting[id] < 0
            if waiting[id] < 0:
                del waiting[id]
        return acks(**said)
