"""Inlets: the HTTP servers and the sources, exchanged when their settings change."""

from __future__ import annotations

from collections.abc import Mapping

from vaulytica.relay.config import RelayConfig
from vaulytica.relay.door.accept import Accept
from vaulytica.relay.http.app import App, Handler
from vaulytica.relay.inlets.server import Server
from vaulytica.relay.inlets.tending import Tending
from vaulytica.relay.intake import routes
from vaulytica.relay.intake.guard import Guard
from vaulytica.relay.intake.settings import IntakeLimits
from vaulytica.relay.watching.watch import Watch


class Inlets:
    """`pages` are the relay's own; they are on the metrics' address, or on the intake's where there is none."""

    def __init__(self, accept: Accept, pages: Mapping[str, Handler], watch: Watch) -> None:
        self._accept, self._pages = accept, pages
        self.sources = Tending(accept, watch)
        self._intake, self._metrics = App({}, accept.answered), App(pages)
        self._guard = Guard(IntakeLimits(), accept)
        self._servers: dict[str, Server] = {}  # by what they are for

    @property
    def urls(self) -> list[str]:
        """Where the relay listens."""
        return [server.url for server in self._servers.values()]

    async def apply(self, config: RelayConfig) -> None:
        """Have what the config wants; raises `WebhookConfigError` before anything is changed."""
        wanted = {
            "intake.listen": (config.intake.listen, self._intake),
            "metrics.listen": (config.metrics.listen, self._metrics),
        }
        new = self._listening(wanted)
        self._guard.limits = config.intake.limits
        shared = {} if config.metrics.listen is not None else self._pages
        self._intake.routes = {**shared, **routes(config.intake, self._accept)}
        for server in new.values():
            server.start()
        for setting in [name for name, (listen, _) in wanted.items() if name in new or not listen]:
            if setting in self._servers:
                await self._servers.pop(setting).stop()
        self._servers |= new
        await self.sources.apply(config.intake)

    def _listening(self, wanted: Mapping[str, tuple[str | None, App]]) -> dict[str, Server]:
        """Servers for what is new, not started yet."""
        new: dict[str, Server] = {}
        try:
            for setting, (listen, app) in wanted.items():
                running = self._servers.get(setting)
                if listen is not None and (running is None or running.listen != listen):
                    new[setting] = Server(app, listen, setting, self._guard)
        except BaseException:
            for server in new.values():
                server.close()
            raise
        return new

    async def stop(self) -> None:
        """Listen no more."""
        for server in self._servers.values():
            await server.stop()
        self._servers = {}
