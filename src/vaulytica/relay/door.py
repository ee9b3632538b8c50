"""Door: what `accept` is in a relay. Events are sorted by where they go, and kept, all in one transaction."""

from __future__ import annotations

from collections.abc import Sequence

from vaulytica.outbox.delivery import Mark, Once, Share
from vaulytica.outbox.parcel import Parcel
from vaulytica.outbox.ports import AsyncOutbox
from vaulytica.relay.accept import Entry, Full, Receipt, Stopping
from vaulytica.relay.room import Room
from vaulytica.relay.router import Router

_RETRY_AFTER = 5.0  # seconds


class Door:
    """An `Accept`. `router` may be exchanged while it is open; it counts the events that came to it."""

    def __init__(self, outbox: AsyncOutbox, router: Router, room: Room) -> None:
        self._outbox = outbox
        self.router = router
        self.room = room
        self.accepted = self.unwanted = self.refused = 0
        self._closed: str | None = None

    def close(self, why: str) -> None:
        """Accept nothing more."""
        self._closed = why

    async def __call__(
        self, entries: Sequence[Entry], *, once: Once | None = None, mark: Mark | None = None
    ) -> Receipt:
        """See `Accept`."""
        if self._closed is not None:
            raise Stopping(self._closed, _RETRY_AFTER)
        shares, wanted = self._shares(entries)
        if shares:
            try:
                await self.room.make(
                    sum([len(share.parcel) * len(share.destinations) for share in shares]),
                    sum([len(share.parcel.body) for share in shares]),
                )
            except Full:
                self.refused += len(entries)
                raise
        unwanted = len(entries) - wanted
        ids = shares[0].parcel.ids if len(shares) == 1 and not unwanted else _ids(entries)
        if not shares and once is None and mark is None:
            self.accepted += len(entries)
            self.unwanted += unwanted
            return Receipt(ids, unwanted=unwanted)
        kept = await self._outbox.put_shares(shares, ids, once=once, mark=mark)
        if not kept.repeated:
            self.accepted += len(entries)
            self.unwanted += unwanted
        return Receipt(kept.ids, kept.repeated, unwanted, kept.digest)

    def _shares(self, entries: Sequence[Entry]) -> tuple[list[Share], int]:
        """The events by where they go, and how many of them go anywhere."""
        if not entries:
            return [], 0
        groups = self.router.route(entries)
        shares = [
            Share(Parcel.of(group.entries), group.destinations, group.key) for group in groups
        ]
        if len(groups) == 1:
            return shares, len(groups[0].entries)
        return shares, len({place for group in groups for place in group.positions or ()})

    async def marks(self, prefix: str) -> dict[str, str]:
        """See `Accept`."""
        return await self._outbox.marks(prefix)

    async def forget(self, sources: Sequence[str]) -> None:
        """See `Accept`."""
        await self._outbox.forget(sources)


def _ids(entries: Sequence[Entry]) -> tuple[str, ...]:
    return tuple([entry.id for entry in entries])
