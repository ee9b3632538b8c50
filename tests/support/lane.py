"""A lane between a real outbox and a destination, on a loop whose time passes only while all wait.

What takes an hour is over in a second, and is the same each time.
"""

from __future__ import annotations

import asyncio
import json
import random
import selectors
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.outbox import OwnClock, parcel
from vaulytica.delivery.request import Request, Response
from vaulytica.errors import FailureKind, TransportFailure
from vaulytica.outbox.sqlite import SqliteOutbox
from vaulytica.relay.config import DestinationSettings
from vaulytica.relay.door.recent import Recent
from vaulytica.relay.lanes.budget import Budget
from vaulytica.relay.lanes.lane import RelayLane
from vaulytica.relay.watching.metrics import Metrics
from vaulytica.relay.watching.watch import Watch

LATENCY = 0.02  # seconds that an answer takes
_URL = "http://127.0.0.1:9"  # never connected to


class _Selector(selectors.DefaultSelector):
    """Where a loop would sleep, the clock goes on."""

    def __init__(self, clock: OwnClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "everybody waits, and nothing will happen any more"
        self._clock.pass_by(max(0.0, timeout))
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: OwnClock) -> None:
        super().__init__(_Selector(clock))
        self.time = clock.monotonic  # type: ignore[method-assign] # all of its timers go by it


class _Verbs:
    """An outbox for asyncio, without a thread: each verb is done at once."""

    def __init__(self, outbox: SqliteOutbox) -> None:
        self._outbox = outbox

    def __getattr__(self, verb: str) -> Callable[..., Awaitable[Any]]:
        async def call(*args: Any, **settings: Any) -> Any:
            return getattr(self._outbox, verb)(*args, **settings)

        return call


class _Log:
    def info(self, event: str, **_: Any) -> None:
        pass

    warning = error = info


class SimulatedLane:
    """`refuses` says of a request's ids whether they get a 500, in `slowness` seconds, or a time-out.

    `requests`: when, and of which ids.
    """

    def __init__(self, path: Path, refuses: Callable[[list[str]], bool], **settings: Any) -> None:
        self.clock = OwnClock()
        self.refuses = refuses
        self.slowness, self.times_out = LATENCY, False
        self.requests: list[tuple[float, list[str]]] = []
        self.taken: dict[str, float] = {}  # and when
        self.put_at: dict[str, float] = {}
        self.ended: asyncio.Future[None]  # when it is
        self.outbox = SqliteOutbox(path, clock=self.clock, on_put=lambda _: self.lane.wake())
        self.lane = RelayLane(
            "siem",
            DestinationSettings(url=_URL, format="json", **settings),
            _Verbs(self.outbox),  # type: ignore[arg-type] # the verbs that a lane needs
            budget=Budget(2**26),
            recent=Recent(),
            watch=Watch(_Log(), Metrics(), self.clock),
            transport=lambda _: self,  # type: ignore[arg-type,return-value] # it is one
            clock=self.clock,
            rng=random.Random(1),
        )

    def put(self, *ids: str, key: str | None = None) -> None:
        """Each by itself."""
        for id in ids:
            self.put_at[id] = self.clock.monotonic()
            self.outbox.put(parcel(id), ["siem"], key=key)

    def run(self, story: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """The lane, for as long as the story takes."""

        async def main() -> None:
            self.ended = asyncio.ensure_future(self.lane.run())
            await story()
            self.lane.abandon()
            await self.ended

        with asyncio.Runner(loop_factory=lambda: _Loop(self.clock)) as runner:
            runner.run(main())

    def waited(self, prefix: str) -> list[float]:
        """Seconds from its put until it was taken, of each that begins so."""
        return [
            self.taken.get(id, self.clock.monotonic()) - at
            for id, at in self.put_at.items()
            if id.startswith(prefix)
        ]

    async def send(self, request: Request) -> Response:
        """See AsyncTransport."""
        event = json.loads(request.body)
        ids = [one["data"]["of"] for one in (event if isinstance(event, list) else [event])]
        self.requests.append((self.clock.monotonic(), ids))
        if self.refuses(ids):
            await asyncio.sleep(self.slowness)
            if self.times_out:
                raise TransportFailure(FailureKind.TIMEOUT, "no answer in time")
            return Response(500)
        await asyncio.sleep(LATENCY)
        self.taken |= dict.fromkeys(ids, self.clock.monotonic())
        return Response(200)

    async def aclose(self) -> None:
        """See AsyncTransport."""


@contextmanager
def simulated(
    path: Path, refuses: Callable[[list[str]], bool], **settings: Any
) -> Iterator[SimulatedLane]:
    """One whose outbox is closed in the end."""
    made = SimulatedLane(path, refuses, **settings)
    try:
        yield made
    finally:
        made.outbox.close()
