"""The verbs, each as an op that has still to be done: with threads or with asyncio."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from vaulytica.outbox.asked import asked
from vaulytica.outbox.delivery import (
    Audit,
    Counts,
    Delivery,
    Filter,
    Kept,
    Mark,
    Moved,
    Once,
    Pause,
    Share,
    Verdict,
)
from vaulytica.outbox.parcel import Entry, Parcel
from vaulytica.outbox.sqlite import (
    audit,
    claiming,
    counting,
    marking,
    moving,
    pausing,
    settling,
    shedding,
    usage,
)
from vaulytica.outbox.sqlite.commit import Op
from vaulytica.outbox.sqlite.putting import Put
from vaulytica.outbox.states import State, Step

DAY = 86400.0


class Verbs:
    """What an outbox can do; `remember`: seconds that an idempotency key is remembered."""

    def __init__(self, remember: float) -> None:
        self.remember = remember

    def put(
        self,
        events: Parcel | Entry | Iterable[Entry],
        destinations: Collection[str],
        *,
        key: str | None = None,
        idempotency_key: str | None = None,
    ) -> Put:
        """Keep events for each destination; what returns is on disk. See `Outbox.put`."""
        share, once = asked(events, destinations, key=key, idempotency_key=idempotency_key)
        return self.put_shares((share,), share.parcel.ids, once=once)

    def put_shares(
        self,
        shares: Sequence[Share],
        ids: Sequence[str],
        *,
        once: Once | None = None,
        mark: Mark | None = None,
    ) -> Put:
        """Keep all of them in one step, or nothing. See `Outbox.put_shares`."""
        return Put(shares, ids, once=once, mark=mark, remember=self.remember)

    def marks(self, prefix: str = "") -> Op[dict[str, str]]:
        """The position of each source whose name begins with the prefix."""
        return Op(lambda session: marking.marks(session, prefix), reads=True)

    def forget(self, sources: Sequence[str]) -> Op[None]:
        """Have no marks of them any more."""
        return Op(lambda session: marking.forget(session, sources))

    def claim(
        self,
        destination: str,
        events: int = 1000,
        lease: float = 60.0,
        *,
        only: State | None = None,
        together: int = 0,
    ) -> Op[list[Delivery]]:
        """What is due, of so many events in all (but one delivery at least); see `Outbox.claim`."""
        return Op(
            lambda session: claiming.claim(
                session, destination, events, lease, only=only, together=together
            ),
            durable=False,  # a claim that is lost with the machine is one that nobody holds
        )

    def settle(self, verdicts: Sequence[Verdict]) -> Op[list[Delivery]]:
        """End claims in one step; returns those that had run out, of which nothing is written."""
        return Op(lambda session: settling.settle(session, verdicts))

    def extend(self, deliveries: Sequence[Delivery], lease: float = 60.0) -> Op[list[Delivery]]:
        """Hold claims for `lease` seconds from now; returns those that had run out."""
        return Op(lambda session: claiming.extend(session, deliveries, lease), durable=False)

    def move(
        self,
        step: Step,
        which: Filter,
        *,
        after: int = 0,
        most: int = 100,
        events: int | None = None,
    ) -> Op[Moved]:
        """Replay, bury, drop or purge what fits, behind the delivery `after`, `most` at a time.

        With `events`, of so many at most: a delivery of more is divided.
        """
        return Op(lambda session: moving.move(session, step, which, after, most, events=events))

    def shed(
        self,
        *,
        events: int | None = None,
        size: int | None = None,
        begun: Mapping[int, int] = {},
    ) -> Op[dict[str, int]]:
        """Drop pending events until there are no more, nor more bytes in use; see `Outbox.shed`."""
        return Op(lambda session: shedding.shed(session, events, size, begun))

    def pause(self, destination: str, why: str, *, by_hand: bool = True) -> Op[Pause]:
        """Have nothing sent to a destination until it is resumed."""
        return Op(lambda session: pausing.pause(session, destination, why, by_hand=by_hand))

    def resume(
        self, destinations: Collection[str], *, by_hand: bool | None = None
    ) -> Op[list[str]]:
        """Go on with these; those that were paused. `by_hand`: only those paused so, or not so."""
        return Op(lambda session: pausing.resume(session, destinations, by_hand=by_hand))

    def paused(self) -> Op[dict[str, Pause]]:
        """The destinations to which nothing is sent."""
        return Op(pausing.paused, reads=True)

    def browse(
        self, which: Filter, *, after: int = 0, most: int = 100, bodies: bool = False
    ) -> Op[list[Kept]]:
        """What is there, by rising id, behind the delivery `after`."""
        return Op(lambda session: moving.browse(session, which, after, most, bodies), reads=True)

    def total(self, which: Filter) -> Op[tuple[int, int]]:
        """How many deliveries fit, and the events in them."""
        return Op(lambda session: moving.total(session, which), reads=True)

    def audit(self) -> Op[Audit]:
        """Whether the counters and what is on disk say the same."""
        return Op(audit.audit, reads=True)

    def now(self) -> Op[float]:
        """Seconds since 1970, by the outbox's clock."""
        return Op(lambda session: session.now() / 1000, reads=True)

    def counts(self) -> Op[dict[str, Counts]]:
        """For each destination, since the beginning."""
        return Op(counting.counts, reads=True)

    def due(self, destination: str | None = None) -> Op[dict[str, float]]:
        """For each destination (or that one) that something waits for: seconds until it may be claimed."""
        return Op(lambda session: counting.due(session, destination), reads=True)

    def used_bytes(self) -> Op[int]:
        """What the file holds, without the room in it that is free."""
        return Op(usage.used_bytes, reads=True)

    def tidy(self) -> Op[int]:
        """Throw away what is past its retention, a bounded part at a time; 0 when all is done."""
        return Op(counting.tidy)
