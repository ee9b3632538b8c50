"""The door of the relay: whoever takes events in hands them over here, and says "accepted" only after.

For one who writes an intake: make events of what came in, all of them or none (`Event.from_mapping`, or
`lines.decode` where there are many); await `accept`; then answer. There is nothing else to know of the
outbox and the destinations.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from vaulytica.errors import OutboxError
from vaulytica.events import Event
from vaulytica.lines import Line
from vaulytica.outbox.delivery import Mark, Once

Entry = Event | Line


class Receipt(msgspec.Struct, frozen=True):
    """What was accepted is on disk. `ids`: of the events, in the order they were given.

    `repeated`: they were accepted before, under the same idempotency key; `ids` are those of then.
    `unwanted`: how many of them no destination wants; these are counted, and not kept.
    """

    ids: Sequence[str]
    repeated: bool = False
    unwanted: int = 0


class Full(OutboxError):
    """Nothing was accepted: there is no room. `retry_after`: seconds after which it may be worth to try again."""

    kind = "full"

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Stopping(Full):
    """Nothing is accepted any more: the relay ends."""


class Cut(StrEnum):
    """Why a connection over HTTP was cut: by the name of the limit, where that is a setting."""

    HEADER = "header_seconds"
    BODY = "body_seconds"
    IDLE = "idle_seconds"
    CONNECTIONS = "connections"
    UNREAD = "unread"  # its answers, for too long


class Accept(Protocol):
    """Take events into the relay: all of them, or none."""

    async def __call__(
        self, entries: Sequence[Entry], *, once: Once | None = None, mark: Mark | None = None
    ) -> Receipt:
        """Return when they are on disk. Many calls at a time share a write, so wait in many tasks.

        `once`: a key seen in the last day, with the same digest, gets the receipt of then (`repeated`).
        `mark`: how far their source is read with them, in the same transaction, also where there are no
        entries. Raises `Full` (say 429 or 503, with Retry-After), or `OutboxError` where the disk fails
        (503), after which the call may be made again; or `IdempotencyConflictError` where the digest is
        another (422), for good. After all of them nothing of the call is accepted.
        """

    async def turn(self) -> None:
        """Wait a moment while more has come than is being delivered: for sources that can wait to be read."""

    def answered(self, status: int, client: str | None = None) -> None:
        """A request over HTTP was answered so; it is counted. `client`: its address, if it has one."""

    def cut(self, why: Cut) -> None:
        """A connection over HTTP was closed from this side, with no answer; it is counted."""

    async def marks(self, prefix: str) -> dict[str, str]:
        """How far each source was read whose name begins with the prefix."""

    async def forget(self, sources: Sequence[str]) -> None:
        """These sources are gone."""
