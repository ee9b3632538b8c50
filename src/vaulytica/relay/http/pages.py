"""The relay's own pages: `/metrics` for Prometheus, `/healthz` and `/readyz` for whoever looks after it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from vaulytica.errors import OutboxError
from vaulytica.jsonvalues import compact_json
from vaulytica.outbox.delivery import Counts
from vaulytica.relay.http.app import Handler, Receive, Scope, Send, respond
from vaulytica.relay.watching.metrics import CONTENT_TYPE, Metrics, Snapshot

if TYPE_CHECKING:
    from vaulytica.relay.relay import Relay


class Pages:
    """`/healthz`: the process turns. `/readyz`: it accepts events, or why it does not."""

    def __init__(self, relay: Relay, metrics: Metrics) -> None:
        self._relay, self._metrics = relay, metrics

    def routes(self) -> Mapping[str, Handler]:
        """The handlers by path."""
        return {"/metrics": self._show, "/healthz": self._health, "/readyz": self._ready}

    async def _show(self, scope: Scope, receive: Receive, send: Send) -> None:
        relay = self._relay
        counts: Mapping[str, Counts] = {}
        size: int | None = None
        with suppress(OutboxError):  # which is counted, and that is shown
            counts, size = await relay.outbox.counts(), await relay.outbox.used_bytes()
        door = relay.door
        totals = {
            "intake_events": door.accepted,
            "unwanted_events": door.unwanted,
            "unreadable_lines": relay.inlets.sources.unreadable,
        }
        snapshot = Snapshot(
            counts,
            relay.lanes.current,
            bytes=size,
            totals=totals,
            failing=len(relay.inlets.sources.failing),
            refused=door.refused,
            answers=door.answers.by_status,
            cut=door.answers.cut,
        )
        await respond(send, 200, self._metrics.exposition(snapshot), CONTENT_TYPE)

    async def _health(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, 200, b'{"ok":true}\n')

    async def _ready(self, scope: Scope, receive: Receive, send: Send) -> None:
        why = self._relay.why_not_ready
        failing = sorted(self._relay.inlets.sources.failing)  # over HTTP, events are accepted
        body = compact_json(
            {"ok": why is None}
            | ({} if why is None else {"why": why})
            | ({"failing": failing} if failing else {})
        )
        await respond(send, 200 if why is None else 503, body + b"\n")
