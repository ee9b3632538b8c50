"""Run: one `send_batch` or stream – what is left to send, what has come of the rest, and when to stop early.

Pure: a driver puts entries in, takes deliveries out, performs them, and gives their settlements back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from vaulytica.delivery.batching import Batch
from vaulytica.delivery.cutting import Cutter
from vaulytica.delivery.flow import Delivering, not_sent
from vaulytica.delivery.lane import Lane
from vaulytica.delivery.outcome import Deferred, Reason, ReasonKind, Rejected, Result
from vaulytica.delivery.pace import Pace
from vaulytica.delivery.policy import Random
from vaulytica.delivery.ports import Clock, Flow
from vaulytica.delivery.report import KEPT, Counts, Report, Settlement, counted, counts_of
from vaulytica.delivery.standing import Left, Standing

OnResult = Callable[[Result], object]


class DownDetector:
    """Notices that the destination is plainly down, so that the rest is not tried; `why` says how.

    Down is: no valid credentials (401, 407, no token, a 403 that is `of_all`), no trusted TLS connection, an address that the
    egress policy refuses, or 410 Gone – once;
    or `AFTER` batches in a row, nothing delivered between, that spent all their attempts or met 403,
    404, 405 or a redirect.
    """

    AFTER = 3
    _AT_ONCE = frozenset({ReasonKind.AUTH, ReasonKind.TLS, ReasonKind.EGRESS})
    # Of one event, 403 may also be what a firewall says to a file's name.
    _WHOLE_DESTINATION = frozenset({301, 302, 303, 307, 308, 403, 404, 405})

    def __init__(self) -> None:
        self.why: str | None = None
        self._in_a_row = 0

    @classmethod
    def at_once(cls, reason: Reason) -> bool:
        """Whether a rejection for this reason says by itself that the destination is down."""
        known = reason.of_all or reason.status != 403
        return reason.status == 410 or (reason.kind in cls._AT_ONCE and known)

    @classmethod
    def perhaps(cls, reason: Reason) -> bool:
        """Whether it may be that the URL is wrong, and not the event."""
        return reason.status in cls._WHOLE_DESTINATION and not reason.of_all

    def observe(self, settlement: Settlement) -> None:
        """Take in what became of one batch."""
        if settlement.groups:
            self._in_a_row = 0
        last: str | None = None
        for result in settlement.results:
            reason = result.reason
            assert reason is not None
            if isinstance(result.outcome, Rejected):
                if self.at_once(reason):
                    self.why = reason.text
                if not self.perhaps(reason):
                    continue
            elif reason.kind is ReasonKind.NOT_SENT:
                continue
            last = reason.text
        if last is None or settlement.groups:
            return
        self._in_a_row += 1
        if self._in_a_row >= self.AFTER:
            self.why = last


class Delivery(msgspec.Struct, frozen=True, eq=False):
    """The flow that delivers a batch, and where the events of that stand."""

    flow: Flow[Settlement]
    standing: Standing


class Run:
    """Hands out deliveries and takes in what came of them, for any number of workers that take turns.

    `reports` fill as batches are settled; `on_result` hears of each event. With `keep_all` the total
    lists every event, else only those of which there is more to say than that they are delivered.
    """

    def __init__(
        self,
        lane: Lane,
        *,
        on_result: OnResult | None = None,
        down: DownDetector | None = None,
        ordered: bool = False,
        keep_all: bool = False,
    ) -> None:
        destination = lane.destination
        self._lane = lane
        self._on_result = on_result
        self._down = DownDetector() if down is None else down
        self._ordered = ordered
        self._keep_all = keep_all
        self._held_up: str | None = None
        self._kept: list[Result] = []
        self._counts = Counts()
        self._over = False
        self.width = 1 if ordered else destination.width
        self._under_way: dict[Delivery, None] = {}
        self.ready: deque[Batch] = deque()
        self.reports: deque[Report] = deque()
        self._cutter = Cutter(
            destination.format,
            lane.bounds,
            destination.max_event_bytes,
            max_part_bytes=destination.max_part_bytes,
            ready=self.ready.append,
            unfit=self._unfit,
            in_order=ordered,
        )

    # --- What goes in.

    @property
    def pace(self) -> Pace:
        """The destination's."""
        return self._lane.pace

    @property
    def hungry(self) -> bool:
        """Whether more entries may be put in: one batch may wait while `width` are under way."""
        waiting = len(self.ready) + len(self._under_way)
        return waiting <= self.width and len(self.reports) < 4 * self.width

    def put(self, entry: object, now: float) -> bool:
        """Take in an entry, or several (see `Cutter`); whether who waits may have to look again."""
        return self._cutter.add(entry, now)

    def end(self) -> None:
        """There is nothing more to put in."""
        self._over = True
        self._cutter.flush()

    def halt(self, why: str) -> None:
        """Begin nothing more, because of `why`; what is under way is brought to its end."""
        if self._held_up is None:
            self._held_up = why
        self.stop()

    def stop(self) -> None:
        """Nothing more is to be put in, and nobody goes on; what is not full yet stays as it is."""
        self._over = True

    @property
    def over(self) -> bool:
        """Whether nothing more is to be read; what was read by then may still be put in."""
        return self._over

    # --- What comes out.

    def take(self, clock: Clock, rng: Random) -> Delivery | float | None:
        """The next delivery to perform; or seconds to wait for one; or None: there is none any more."""
        if len(self.reports) >= 4 * self.width:
            return float("inf")  # nobody takes them: back-pressure
        if self._over and self._cutter.is_filling:
            self._cutter.flush()
        if not self.ready and (since := self._cutter.since) is not None:
            left = since + self._lane.destination.max_wait - clock.monotonic()
            if left > 0:
                return left
            self._cutter.flush(before=since)
        while self.ready:
            batch = self.ready.popleft()
            if self._held_up is not None:
                self._keep(not_sent(batch, self._held_up))
            elif self._down.why is not None:
                self._keep(not_sent(batch, f"the destination is down: {self._down.why}"))
            else:
                delivery = self._begin(batch, clock, rng)
                self._under_way[delivery] = None
                return delivery
        return None if self._over else float("inf")

    def _begin(self, batch: Batch, clock: Clock, rng: Random) -> Delivery:
        retry, ordered = self._lane.destination.retry, self._ordered
        delivering = Delivering(self._lane, retry, clock, rng, patient=True, ordered=ordered)
        standing = delivering.standing
        return Delivery(standing.watched(delivering.flow(batch)), standing)

    @property
    def wanted(self) -> int:
        """Workers that have something to do now: one for each batch, and one to watch what is filling."""
        return len(self.ready) + self._cutter.is_filling

    @property
    def in_flight(self) -> int:
        """Batches that are under way."""
        return len(self._under_way)

    @property
    def finished(self) -> bool:
        """Whether every entry put in is settled, and none will follow."""
        waiting = self.ready or self._under_way or self._cutter.is_filling
        return self._over and not waiting

    def settle(self, delivery: Delivery, settlement: Settlement) -> None:
        """Take in what became of a batch."""
        del self._under_way[delivery]
        self._down.observe(settlement)
        self._keep(settlement)
        if self._ordered and self._held_up is None:
            left = [r for r in settlement.results if isinstance(r.outcome, Deferred)]
            if left:
                reason = left[0].reason
                self._held_up = f"it would overtake an earlier event: {reason and reason.text}"

    def total(self) -> Report:
        """All that is settled so far."""
        return Report(self._kept, replace(self._counts))

    def left(self) -> Left:
        """What is not settled, when nobody goes on."""
        left = Left([], [], [])
        for delivery in self._under_way:
            delivery.standing.left(left)
        for batch in (*self.ready, *self._cutter.waiting()):
            left.not_begun.extend(batch.items)
        return left

    def noted_on(self, error: BaseException) -> BaseException:
        """The error that ends it, of the caller's own code or a signal, with a note of what came of the events."""
        left = self.left()
        counts = counted(left.results)
        counts.add(self._counts)
        error.add_note(
            f"vaulytica: till then {counts.delivered} events were delivered, {counts.rejected} rejected, "
            f"{counts.deferred} deferred; {len(left.under_way)} were under way and may arrive, "
            f"{len(left.not_begun)} were not begun"
        )
        return error

    def _unfit(self, result: Result) -> None:
        self._keep(Settlement([result]))

    def _keep(self, settlement: Settlement) -> None:
        counts = counts_of(settlement)
        results = settlement.results
        every = settlement.all() if self._keep_all or self._on_result is not None else []
        if not self._keep_all and counts.noted:
            results = [*settlement.noted(), *results]
        self._counts.add(counts)
        if self._keep_all:
            self._kept += every
        else:
            room = KEPT - len(self._kept)
            self._kept += results[: max(0, room)]
            self.reports.append(Report(results, counts))
        if self._on_result is not None:  # which may raise: then it is all counted before
            for result in every:
                self._on_result(result)
