"""Server: uvicorn on one address, in the relay's own loop, without signal handlers of its own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from vaulytica.errors import WebhookConfigError
from vaulytica.relay.http import App
from vaulytica.relay.intake.guard import Guard

_GRACE = 5  # seconds that requests under way get when it stops
_BACKLOG = 2048


def address_of(listen: str, setting: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`."""
    host, colon, port = listen.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise WebhookConfigError(f"{setting} is HOST:PORT, such as 127.0.0.1:8780, not {listen!r}")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the relay's."""
        yield


class Server:
    """Listens as soon as it is made; `url` is where. `guard` watches over its connections."""

    def __init__(self, app: App, listen: str, setting: str, guard: Guard) -> None:
        self.listen = listen
        host, port = address_of(listen, setting)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((host, port))
            self._socket.listen(_BACKLOG)
        except OSError as error:
            self._socket.close()
            raise WebhookConfigError(
                f"{setting}: cannot listen on {listen}: {error.strerror}"
            ) from None
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
