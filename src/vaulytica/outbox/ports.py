"""Ports: what an outbox is. Its law: accepted = delivered + dead + pending, whatever is killed, and whenever."""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

from vaulytica.outbox.delivery import (
    Counts,
    Delivery,
    Filter,
    Kept,
    Mark,
    Moved,
    Once,
    Pause,
    Receipt,
    Share,
    Verdict,
)
from vaulytica.outbox.parcel import Entry, Parcel
from vaulytica.outbox.states import State, Step


class Outbox(Protocol):
    """Keeps deliveries; safe to share by threads. What a verb has returned is on disk."""

    @property
    def aio(self) -> AsyncOutbox:
        """The same for asyncio."""

    def put(
        self,
        events: Parcel | Entry | Iterable[Entry],
        destinations: Collection[str],
        *,
        key: str | None = None,
        idempotency_key: str | None = None,
        connection: Any = None,
    ) -> Receipt:
        """Keep events for each destination. Those of one `key` are claimed one at a time, in order.

        With an `idempotency_key` they are kept once: the same put gets the receipt of then. Used again for
        other events, destinations or another `key`, it raises `IdempotencyConflictError`. Ids and
        timestamps that the caller did not give do not count.
        """

    def put_shares(
        self,
        shares: Sequence[Share],
        ids: Sequence[str],
        *,
        once: Once | None = None,
        mark: Mark | None = None,
    ) -> Receipt:
        """Keep all of them in one step, or nothing. `ids` are told, and again if it was kept before.

        Raises `IdempotencyConflictError` if `once` is a key that was used with another digest.
        """

    def marks(self, prefix: str = "") -> dict[str, str]:
        """The position of each source whose name begins with the prefix."""

    def forget(self, sources: Sequence[str]) -> None:
        """Have no marks of them any more."""

    def claim(
        self,
        destination: str,
        events: int = 1000,
        lease: float = 60.0,
        *,
        only: State | None = None,
        together: int = 0,
    ) -> list[Delivery]:
        """Deliveries that are due, of so many events in all (but one at least), for `lease` seconds.

        Of a key it is one; or, if they are `together` of no more events than that, some that follow each
        other, for a worker that keeps their order.
        """

    def settle(self, verdicts: Sequence[Verdict]) -> list[Delivery]:
        """End claims, all in one step; returns those that had run out: nothing is written of them."""

    def extend(self, deliveries: Sequence[Delivery], lease: float = 60.0) -> list[Delivery]:
        """Hold claims for `lease` seconds from now; returns those that had run out."""

    def move(
        self,
        step: Step,
        which: Filter,
        *,
        after: int = 0,
        most: int = 100,
        events: int | None = None,
    ) -> Moved:
        """Replay, bury, drop or purge what fits, beginning behind the delivery `after`, `most` at a time.

        With `events`, of so many at most: a delivery of more is divided, and its rest comes next.
        """

    def pause(self, destination: str, why: str, *, by_hand: bool = True) -> Pause:
        """Have nothing claimed of a destination until it is resumed."""

    def resume(self, destinations: Collection[str], *, by_hand: bool | None = None) -> list[str]:
        """Go on with these; those that were paused. `by_hand`: only those paused so, or not so."""

    def paused(self) -> dict[str, Pause]:
        """The destinations of which nothing can be claimed."""

    def browse(
        self, which: Filter, *, after: int = 0, most: int = 100, bodies: bool = False
    ) -> list[Kept]:
        """What is there, by rising id, behind the delivery `after`."""

    def counts(self) -> dict[str, Counts]:
        """For each destination, since the beginning."""

    def due(self, destination: str | None = None) -> dict[str, float]:
        """For each destination (or that one) that something waits for: seconds until it may be claimed."""

    def used_bytes(self) -> int:
        """What it holds on disk, without the room in it that is free."""

    def shed(
        self,
        *,
        events: int | None = None,
        size: int | None = None,
        begun: Mapping[int, int] = {},
    ) -> dict[str, int]:
        """Drop pending events until there are no more than so many, and no more bytes are in use.

        The oldest of the least severity go first. Of what is claimed only what is behind so many events as
        are `begun` of a delivery; of what is not listed there, none. How many of each destination: it is a
        bounded part, and to be called again until there are none.
        """

    def tidy(self) -> int:
        """Throw away what is past its retention, a bounded part at a time; how much, 0 when all is done."""

    def close(self) -> None:
        """Let go of the files."""


class AsyncOutbox(Protocol):
    """The same for asyncio; an outbox has it as its `aio`."""

    def put(
        self,
        events: Parcel | Entry | Iterable[Entry],
        destinations: Collection[str],
        *,
        key: str | None = None,
        idempotency_key: str | None = None,
    ) -> Awaitable[Receipt]:
        """See `Outbox.put`."""

    def put_shares(
        self,
        shares: Sequence[Share],
        ids: Sequence[str],
        *,
        once: Once | None = None,
        mark: Mark | None = None,
    ) -> Awaitable[Receipt]:
        """See `Outbox.put_shares`."""

    def marks(self, prefix: str = "") -> Awaitable[dict[str, str]]:
        """See `Outbox.marks`."""

    def forget(self, sources: Sequence[str]) -> Awaitable[None]:
        """See `Outbox.forget`."""

    def claim(
        self,
        destination: str,
        events: int = 1000,
        lease: float = 60.0,
        *,
        only: State | None = None,
        together: int = 0,
    ) -> Awaitable[list[Delivery]]:
        """See `Outbox.claim`."""

    def settle(self, verdicts: Sequence[Verdict]) -> Awaitable[list[Delivery]]:
        """See `Outbox.settle`."""

    def extend(
        self, deliveries: Sequence[Delivery], lease: float = 60.0
    ) -> Awaitable[list[Delivery]]:
        """See `Outbox.extend`."""

    def pause(self, destination: str, why: str, *, by_hand: bool = True) -> Awaitable[Pause]:
        """See `Outbox.pause`."""

    def resume(
        self, destinations: Collection[str], *, by_hand: bool | None = None
    ) -> Awaitable[list[str]]:
        """See `Outbox.resume`."""

    def paused(self) -> Awaitable[dict[str, Pause]]:
        """See `Outbox.paused`."""

    def counts(self) -> Awaitable[dict[str, Counts]]:
        """See `Outbox.counts`."""

    def due(self, destination: str | None = None) -> Awaitable[dict[str, float]]:
        """See `Outbox.due`."""

    def used_bytes(self) -> Awaitable[int]:
        """See `Outbox.used_bytes`."""

    def shed(
        self,
        *,
        events: int | None = None,
        size: int | None = None,
        begun: Mapping[int, int] = {},
    ) -> Awaitable[dict[str, int]]:
        """See `Outbox.shed`."""

    def tidy(self) -> Awaitable[int]:
        """See `Outbox.tidy`."""
