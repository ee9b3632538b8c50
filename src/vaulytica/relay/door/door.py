"""Door: what `accept` is in a relay. Events are sorted by where they go, and kept, all in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from vaulytica.errors import IdempotencyConflictError, OutboxError
from vaulytica.lines import Lines
from vaulytica.outbox.delivery import Mark, Once, Share
from vaulytica.outbox.parcel import Parcel
from vaulytica.outbox.ports import AsyncOutbox
from vaulytica.relay.door.accept import Cut, Entry, Full, Receipt, Stopping
from vaulytica.relay.door.recent import Recent
from vaulytica.relay.door.room import Room
from vaulytica.relay.door.router import Group, Router, by_severity
from vaulytica.relay.http.answers import Answers
from vaulytica.relay.keeping import Keeping

_RETRY_AFTER = 5.0  # seconds
_SEVERAL, _BATCH = 100, 1000  # events


class Door:
    """An `Accept`. `router` may be exchanged while it is open; it counts the events that came to it.

    `recent` is told of lines that are many: what is put one by one is kept with others, as another body.
    """

    def __init__(
        self,
        outbox: AsyncOutbox,
        router: Router,
        room: Room,
        *,
        keeping: Keeping,
        answers: Answers,
        recent: Recent | None = None,
    ) -> None:
        self._outbox = outbox
        self._recent = recent or Recent(0)
        self.router = router
        self.room, self._keeping = room, keeping
        self.accepted = self.unwanted = 0
        self.refused = Counter(full=0, disk=0)  # by why
        self.answers = answers
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
        try:
            self._keeping.check()
        except OutboxError as error:
            self._not_kept(entries, error)
            raise
        shares, ids, wanted = self._shares(entries)
        events = sum([len(share.parcel) * len(share.destinations) for share in shares])
        size = sum([len(share.parcel.body) for share in shares])
        if shares:
            try:
                self.room.make(events, size)
            except Full:
                self.refused["full"] += len(entries)
                raise
        unwanted = len(entries) - wanted
        if not shares and once is None and mark is None:
            self.accepted += len(entries)
            self.unwanted += unwanted
            return Receipt(ids, unwanted=unwanted)
        try:
            kept = await self._outbox.put_shares(shares, ids, once=once, mark=mark)
        except IdempotencyConflictError:  # the client's fault, not the disk's
            raise
        except OutboxError as error:
            self._not_kept(entries, error)
            raise
        finally:
            if shares:
                self.room.end(events, size)
        self._keeping.done()
        if not kept.repeated:
            self.accepted += len(entries)
            self.unwanted += unwanted
            await self.room.kept(events, size)
        return Receipt(kept.ids, kept.repeated, unwanted)

    def _not_kept(self, entries: Sequence[Entry], error: OutboxError) -> None:
        self.refused["disk"] += len(entries)
        self._keeping.failed(error)

    def _shares(self, entries: Sequence[Entry]) -> tuple[list[Share], Sequence[str], int]:
        """The events by where they go, the ids of all, and how many of them go anywhere."""
        if not entries:
            return [], (), 0
        groups = self.router.route(entries)
        if self.room.drops:  # so that what matters less can go alone
            groups = [part for group in groups for part in by_severity(group)]
        shares = [self._share(part, group) for group in groups for part in _parts(group)]
        if len(groups) == 1 and len(groups[0].entries) == len(entries):
            return shares, _ids(entries), len(entries)
        return (
            shares,
            _ids(entries),
            len({place for group in groups for place in group.positions or ()}),
        )

    def _share(self, entries: Sequence[Entry], group: Group) -> Share:
        parcel = Parcel.of(entries)
        if isinstance(entries, Lines) and len(parcel) >= _SEVERAL:
            lines = Lines(entries.rows, entries.ids)  # without the texts that they were read from
            self._recent.keep(parcel.body, lines, len(group.destinations))
        return Share(parcel, group.destinations, group.key)

    async def turn(self) -> None:
        """See `Accept`."""
        await self._recent.turn()

    def answered(self, status: int, client: str | None = None) -> None:
        """See `Accept`."""
        self.answers.add(status, client)

    def cut(self, why: Cut) -> None:
        """See `Accept`."""
        self.answers.cut[why] += 1

    async def marks(self, prefix: str) -> dict[str, str]:
        """See `Accept`."""
        return await self._outbox.marks(prefix)

    async def forget(self, sources: Sequence[str]) -> None:
        """See `Accept`."""
        await self._outbox.forget(sources)


def _parts(group: Group) -> list[Sequence[Entry]]:
    """What is claimed at a time, so that a lane may have as much as it can send; of a key all goes together."""
    entries = group.entries
    if len(entries) <= _BATCH or group.key is not None:
        return [entries]
    return [entries[at : at + _BATCH] for at in range(0, len(entries), _BATCH)]


def _ids(entries: Sequence[Entry]) -> Sequence[str]:
    return entries.ids if isinstance(entries, Lines) else tuple([entry.id for entry in entries])
