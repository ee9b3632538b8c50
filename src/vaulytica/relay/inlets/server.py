"""Server: uvicorn on one address, in the relay's own loop, without signal handlers of its own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from vaulytica.errors import WebhookConfigError
from vaulytica.relay.http.app import App
from vaulytica.relay.intake.guard import Guard
from vaulytica.relay.listen import address_of

_GRACE = 5  # seconds that requests under way get when it stops
_BACKLOG = 2048


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the relay's."""
        yield


def bound(host: str, port: int) -> socket.socket:
    """A socket on that address, which does not listen yet; raises `OSError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
    except BaseException:
        made.close()
        raise
    return made


def why_not_bound(listen: str, error: OSError) -> str:
    """What to say of an address that cannot be had."""
    return f"cannot listen on {listen}: {error.strerror or error}"


class Server:
    """Listens as soon as it is made; `url` is where. `guard` watches over its connections."""

    def __init__(self, app: App, listen: str, setting: str, guard: Guard) -> None:
        self.listen = listen
        host, port = address_of(listen)
        try:
            self._socket = bound(host, port)
            self._socket.listen(_BACKLOG)
        except OSError as error:
            raise WebhookConfigError(f"{setting}: {why_not_bound(listen, error)}") from None
        self._socket.setblocking(False)
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            app,
            http=guard.protocol,  # type: ignore[arg-type] # uvicorn calls it, as it would a class
            ws="none",
            loop="none",
            lifespan="off",
            log_config=None,
            log_level="error",  # else strangers could fill the log with requests that are none
            access_log=False,
            server_header=False,
            proxy_headers=False,
            date_header=False,
            timeout_graceful_shutdown=_GRACE,
            backlog=_BACKLOG,
        )
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Answer requests from now on."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))

    async def stop(self) -> None:
        """Take no more, and let those under way come to their end."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        self.close()

    def close(self) -> None:
        """Let go of the address."""
        self._socket.close()
