"""An intake over HTTP as a relay has it: uvicorn on loopback, and a real outbox behind it."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from support.outbox import everything
from vaulytica.outbox import open_outbox
from vaulytica.outbox.delivery import Mark, Once, Share
from vaulytica.outbox.parcel import Parcel
from vaulytica.relay.door.accept import Cut, Entry, Receipt
from vaulytica.relay.http.app import App
from vaulytica.relay.intake import routes
from vaulytica.relay.intake.guard import Guard
from vaulytica.relay.intake.settings import IntakeSettings

TOKEN = "fake-token-of-a-test"


class _Server(uvicorn.Server):
    async def main_loop(self) -> None:
        """Look often whether it is to end: uvicorn's own looks ten times a second."""
        await self.on_tick(0)
        while not self.should_exit:
            await asyncio.sleep(0.01)


class Answer:
    """What came back."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        assert self.body.count(b"\n") == 1, self.body
        return self.json["error"]


class Intake:
    """The server, and what it has accepted."""

    def __init__(self, path: Path, settings: IntakeSettings, port: int = 0) -> None:
        self._wanted = port
        self.settings = settings
        self.outbox = open_outbox(f"sqlite://{path}/outbox.db")
        self.answers: Counter[int] = Counter()
        self.cuts: Counter[str] = Counter()
        self.guard = Guard(settings.limits, self)
        self.failing: Exception | None = None
        self._ready = threading.Event()

    async def __call__(
        self, entries: Sequence[Entry], *, once: Once | None = None, mark: Mark | None = None
    ) -> Receipt:
        """As the relay's door, to one destination."""
        if self.failing is not None:
            raise self.failing
        parcel = Parcel.of(entries)
        kept = await self.outbox.aio.put_shares(
            [Share(parcel, ("siem",))], parcel.ids, once=once, mark=mark
        )
        return Receipt(kept.ids, kept.repeated)

    async def marks(self, prefix: str) -> dict[str, str]:
        return await self.outbox.aio.marks(prefix)

    async def turn(self) -> None:
        pass

    def answered(self, status: int, client: str | None = None) -> None:
        self.answers[status] += 1

    def cut(self, why: Cut) -> None:
        self.cuts[why] += 1

    async def forget(self, sources: Sequence[str]) -> None:
        await self.outbox.aio.forget(sources)

    def run(self) -> None:
        self.listen(self._wanted)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        assert self._ready.wait(60)

    def listen(self, port: int) -> None:
        self.socket = socket.create_server(("127.0.0.1", port), backlog=1024)
        self.port = self.socket.getsockname()[1]
        config = uvicorn.Config(
            App(routes(self.settings, self), self.answered),
            http=self.guard.protocol,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
        )
        self.server = _Server(config)

    def _serve(self) -> None:
        async def main() -> None:
            asyncio.get_running_loop().call_soon(self._ready.set)
            await self.server._serve([self.socket])

        with asyncio.Runner(loop_factory=self.server.config.get_loop_factory()) as runner:
            runner.run(main())

    def stop(self) -> None:
        self.server.should_exit = True
        self._thread.join(60)
        self.outbox.close()

    # --- The client.

    def post(
        self,
        body: Any = b"",
        headers: Mapping[str, str] = {},
        *,
        token: str | None = TOKEN,
        method: str = "POST",
        path: str = "/v1/events",
    ) -> Answer:
        """One request on a connection of its own; a body that is no bytes is sent as JSON, an iterator in chunks."""
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        given = dict(headers)
        if token is not None:
            given.setdefault("Authorization", f"Bearer {token}")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, given)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def kept(self) -> list[dict[str, Any]]:
        """The events in the outbox, in order."""
        rows = everything(self.outbox)
        return [json.loads(line) for row in rows for line in row.body.splitlines()]


@contextmanager
def intake(path: Path, port: int = 0, **settings: Any) -> Iterator[Intake]:
    """An intake that runs."""
    settings = {"listen": "127.0.0.1:0", "tokens": [TOKEN], **settings}
    made = Intake(path, IntakeSettings(**settings), port)
    made.run()
    try:
        yield made
    finally:
        made.stop()
