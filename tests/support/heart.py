"""What the tests of the pure parts share: a clock they own, canned answers, and parts to deliver with."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from vaulytica.delivery.batching import Batch, Bounds, encode
from vaulytica.delivery.cutting import Cutter
from vaulytica.delivery.destination import Destination
from vaulytica.delivery.flow import deliver
from vaulytica.delivery.lane import Lane
from vaulytica.delivery.outcome import (
    Deferred,
    Delivered,
    Outcome,
    Reason,
    ReasonKind,
    Rejected,
    Result,
)
from vaulytica.delivery.ports import Alone, Connect, Effect, Flow, Limits, Send, Turn, Wait
from vaulytica.delivery.request import Probe, Request, Response
from vaulytica.errors import Failure
from vaulytica.events import Event
from vaulytica.formats import FORMATS
from vaulytica.jsonvalues import compact_json
from vaulytica.lines import Line, Lines

GUIDE_DATA = {
    "file_id": "abc123",
    "file_name": "sensitive.pdf",
    "owner": "user@example.com",
    "shared_with": "external@partner.com",
}
GUIDE_TIME = "2025-10-29T12:00:00Z"
GUIDE_EPOCH = 1761739200  # the same instant as GUIDE_TIME

Answer = Response | Failure | Probe | Callable[[Request], Response] | None


def guide_event(**changes: Any) -> Event:
    """The event of the guide's examples, or one that differs in what is given."""
    entry = {
        "type": "file_shared_externally",
        "data": GUIDE_DATA,
        "severity": "warning",
        "timestamp": GUIDE_TIME,
    }
    return Event.from_mapping(entry | changes)


class OwnClock:
    """A clock that moves only when told; it begins at the guide's time."""

    def __init__(self, now: float = float(GUIDE_EPOCH)) -> None:
        self.now = now

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now - 1_000_000_000

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Dice:
    """Randomness that is the same each time."""

    def __init__(self, *values: float) -> None:
        self._values = list(values)

    def random(self) -> float:
        return self._values.pop(0) if len(self._values) > 1 else self._values[0]


class Canned:
    """Runs flows on canned answers; keeps what was asked for. Each exchange takes `took` seconds.

    An answer more than was asked for, or one too few, is an error of the test: see `all_used`.
    """

    def __init__(self, *answers: Answer, clock: OwnClock | None = None, took: float = 0.0) -> None:
        self.answers = list(answers)
        self.clock = clock or OwnClock()
        self.took = took
        self.requests: list[Request] = []
        self.waits: list[Wait] = []
        self.pauses: list[float] = []  # for its pace

    def run(self, flow: Flow[Any]) -> Any:
        """What the flow returns."""
        answer: Any = None
        failure: Failure | None = None
        try:
            while True:
                try:
                    effect = flow.send(answer) if failure is None else flow.throw(failure)
                except StopIteration as stop:
                    return stop.value
                answer = failure = None
                try:
                    answer = self._perform(effect)
                except Failure as error:
                    failure = error
        finally:
            flow.close()

    def _perform(self, effect: Effect) -> Any:
        if isinstance(effect, Wait):
            self.waits.append(effect)
            self.clock.sleep(effect.seconds)
            return None
        if isinstance(effect, Alone):
            return self.run(effect.flow)
        if isinstance(effect, Turn):
            while (seconds := effect.ask()) > 0:
                assert seconds < float("inf"), "it waits for a flow that is not there"
                self.pauses.append(seconds)
                self.clock.sleep(seconds)
            return None
        assert self.answers, "more was asked for than there are answers"
        answer = self.answers.pop(0)
        self.clock.sleep(self.took)
        if isinstance(effect, Send):
            self.requests.append(effect.request)
        else:
            assert isinstance(effect, Connect)
        if isinstance(answer, Failure):
            raise answer
        return answer(effect.request) if callable(answer) else answer

    @property
    def all_used(self) -> bool:
        """Whether every answer was asked for."""
        return not self.answers

    @property
    def delays(self) -> list[float]:
        """The seconds of each wait."""
        return [wait.seconds for wait in self.waits]


def destination(**changes: Any) -> Destination:
    """A destination without auth that takes JSON, or one that differs in what is given."""
    from vaulytica.auth.none import NoAuth

    settings = {
        "name": "https://siem.example.com",
        "url": "https://siem.example.com/hook",
        "format": FORMATS.load("json")(),
        "auth": NoAuth(),
    }
    return Destination(**(settings | changes))


def delivered(
    canned: Canned, to: Destination | Lane, batch: Batch, dice: float = 0.5, **more: Any
) -> list[Result]:
    """Deliver the batch on canned answers; a result for each event, in order."""
    lane = to if isinstance(to, Lane) else Lane(to)
    settlement = canned.run(deliver(lane, batch, canned.clock, Dice(dice), **more))
    return sorted(settlement.all(), key=lambda result: result.position)


def refusal(kind: type[Exception], call: Callable[[], object]) -> str | None:
    """The message with which the call is refused, in one line; None if it is not. Other errors pass."""
    try:
        call()
    except kind as error:
        message = str(error)
    else:
        return None
    assert message
    assert not {"\n", "\r", "\x00", "\x1b", "\u2028"} & set(message)
    return message


def batch_of(format: Any, *events: Event, max_bytes: int = 10**7) -> Batch:
    """The events as one batch."""
    return Batch(tuple(encode(format, e, max_bytes, at) for at, e in enumerate(events)))


def parts_of(format: Any, lines: Sequence[Line]) -> list[bytes | None]:
    """What a format writes of lines, each by itself; None where one is to be read as an event."""
    written = format.encode_lines(Lines(list(lines), [line.id for line in lines]))
    parts = iter(written.parts())
    found = [None if n in written.odd else next(parts) for n in range(len(lines))]
    assert list(parts) == []
    return found


def cut(format: Any, entries: Iterable[object], max_bytes: int) -> Iterator[Batch | Result]:
    """Turn entries into batches as large as the format's limits allow, reading no further than needed."""
    made: list[Batch | Result] = []
    limits = format.limits
    cutter = Cutter(
        format,
        Bounds(limits),
        max_bytes,
        max_part_bytes=min(max_bytes, limits.max_bytes - limits.fixed),
        ready=made.append,
        unfit=made.append,
    )
    for entry in entries:
        cutter.add(entry, 0.0)
        yield from made
        made.clear()
    cutter.flush()
    yield from made


def header(request: Request, name: str) -> str | None:
    """The one value of a header of the request; None where there is none, an error where two."""
    values = [value for key, value in request.headers if key.lower() == name.lower()]
    assert len(values) <= 1, f"{name} is there {len(values)} times"
    return values[0] if values else None


def reason_of(result: Result | Outcome) -> Reason:
    """The reason of what was not delivered."""
    outcome = result.outcome if isinstance(result, Result) else result
    assert not isinstance(outcome, Delivered)
    return outcome.reason


class LinesFormat:
    """A wire format of several events a request: a line each; answered by a status for each line.

    The answer's body is a JSON array such as `[201, 400, 503]`, as bulk interfaces have it.
    """

    name = "lines"
    content_type = "application/x-ndjson"

    def __init__(self, max_events: int = 10, max_bytes: int = 10_000) -> None:
        self.limits = Limits(max_events, max_bytes)
        self.encoded = 0

    def encode(self, event: Event) -> bytes:
        self.encoded += 1
        return compact_json({"type": event.type, "data": event.data}) + b"\n"

    def join(self, parts: Sequence[bytes]) -> bytes:
        return b"".join(parts)

    def settle(self, response: Response, batch: Batch) -> list[Outcome]:
        statuses = json.loads(response.body)
        assert len(statuses) == len(batch)
        return [_of_line(status) for status in statuses]


def _of_line(status: int) -> Outcome:
    if status < 300:
        return Delivered(status)
    reason = Reason(ReasonKind.REJECTED if status < 500 else ReasonKind.SERVER, f"line {status}")
    return Rejected(reason) if status < 500 else Deferred(reason)


def line_answer(*statuses: int, **headers: str) -> Response:
    """The answer of a destination that reads `LinesFormat`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(200, named, json.dumps(statuses).encode())
