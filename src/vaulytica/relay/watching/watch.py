"""Watch: sees what lanes do, counts it, and says what is noteworthy: a line for each such thing, none for events.

A destination is said to be down once, and once to be up again. Its dead letters are said when they
begin, and then summed up, at most once a minute; and so are events that are dropped.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING, Any, Protocol

from vaulytica.delivery.breaker import State as Breaker
from vaulytica.delivery.outcome import Reason, ReasonKind
from vaulytica.delivery.ports import Clock
from vaulytica.errors import OutboxDamagedError, OutboxError, WebhookError
from vaulytica.outbox.delivery import Delivery, Part, Pause
from vaulytica.outbox.states import State
from vaulytica.relay.lanes.health import News

if TYPE_CHECKING:
    from vaulytica.relay.lanes.lane import RelayLane
    from vaulytica.relay.watching.metrics import Metrics

_LONG = 60.0  # seconds after which a destination that is busy may as well be down
# Seconds between two lines on dead letters of one destination, or on what is dropped, or cannot be kept.
_DEAD_EVERY = 60.0
_UNWRITTEN_EVERY, _DAMAGED_EVERY = 60.0, 600.0  # the same, of an outbox that fails
_REJECTIONS = frozenset(
    {ReasonKind.EVENT, ReasonKind.AUTH, ReasonKind.REJECTED, ReasonKind.TLS, ReasonKind.TOO_LARGE}
)


class Log(Protocol):
    """structlog's logger, or what stands in for it: an event's name, and fields."""

    def info(self, event: str, **fields: Any) -> Any:
        """All is well."""

    def warning(self, event: str, **fields: Any) -> Any:
        """Somebody may want to look."""

    def error(self, event: str, **fields: Any) -> Any:
        """Somebody has to look."""


class Watch:
    """One for all lanes."""

    def __init__(self, log: Log, metrics: Metrics, clock: Clock = time) -> None:
        self.log, self.metrics, self._clock = log, metrics, clock
        self._down: set[str] = set()  # destinations that were said to be
        self._failing: dict[str, float] = {}  # since when they have taken nothing
        self._dead: dict[str, tuple[float, int]] = {}  # when it was said last, and how many since
        self._failing_sources: dict[str, str] = {}  # and why, as it was said
        self._not_kept_at, self._says_not_kept = -_DEAD_EVERY, False
        self._unwritten: set[str] = set()  # destinations of which something could not be
        self._unwritten_at = self._damaged_at = -inf  # when it was said last
        self.damage: str | None = None  # why the file is known to be damaged
        self._dropped: Counter[str] = Counter()  # and not said yet
        self._dropped_at, self._why_dropped = -_DEAD_EVERY, ""

    def taken(self, lane: RelayLane) -> None:
        """The destination has taken events."""
        self._failing.pop(lane.name, None)
        if lane.name in self._down and lane.lane.pace.state is Breaker.CLOSED:
            self._down.discard(lane.name)
            self.log.info("destination up", destination=lane.name)

    def deferred(self, lane: RelayLane, reason: Reason) -> None:
        """An attempt has failed, for now, and nothing of it was taken."""
        now, name = self._clock.monotonic(), lane.name
        since = self._failing.setdefault(name, now)
        is_down = lane.lane.pace.state is Breaker.OPEN or now - since >= _LONG
        if is_down and name not in self._down:
            self._down.add(name)
            self.log.warning("destination down", destination=name, why=reason.text)

    def changed(self, lane: RelayLane, news: News) -> None:
        """The destination as a whole refuses what is sent, or does so no more."""
        why = "" if lane.health.why is None else lane.health.why.text
        if news is News.WELL:
            self.log.info("destination takes events again", destination=lane.name)
        elif news is News.GONE:
            hint = (
                f"nothing more is sent there until `vaulytica outbox resume {lane.name}`, "
                "or a reload of the config; nothing is lost"
            )
            self.log.error("destination gone", destination=lane.name, why=why, next=hint)
        else:
            hint = "nothing is lost; it is tried again from time to time"
            self.log.error("destination refuses", destination=lane.name, why=why, next=hint)

    def paused(self, lane: RelayLane, pause: Pause | None) -> None:
        """Somebody has paused the destination, or resumed it."""
        if pause is None:
            self.log.info("destination resumed", destination=lane.name)
        elif not lane.health.is_gone:  # that was said
            hint = f"vaulytica outbox resume {lane.name}"
            self.log.warning("destination paused", destination=lane.name, why=pause.why, next=hint)

    def settled(self, lane: RelayLane, delivery: Delivery, part: Part) -> None:
        """What became of some events is on disk."""
        count = delivery.events if part.lines is None else len(part.lines)
        if part.state is State.DEFERRED:
            if part.attempts:
                self.metrics.of(lane.name).retried.inc(count)
        elif part.state is State.DEAD:
            if part.tried and part.tried[-1].kind in _REJECTIONS:
                self.metrics.of(lane.name).rejected.inc(count)
            self._say_dead(lane.name, count, part.tried[-1].text if part.tried else "")

    def _say_dead(self, name: str, count: int, why: str) -> None:
        now = self._clock.monotonic()
        said, since = self._dead.get(name, (-_DEAD_EVERY, 0))
        since += count
        if now - said < _DEAD_EVERY:
            self._dead[name] = said, since
            return
        self._dead[name] = now, 0
        self.log.warning("dead letters", destination=name, events=since, why=why)

    def failed(self, name: str, error: Exception) -> None:
        """A lane itself has failed, which is a fault of ours; it is begun anew."""
        self.log.error("lane failed", destination=name, why=f"{type(error).__name__}: {error}")

    def lost(self, lane: RelayLane, deliveries: Sequence[Delivery]) -> None:
        """Claims ran out before they were settled: what they held is sent again."""
        events = sum(delivery.events for delivery in deliveries)
        self.log.warning("claims ran out", destination=lane.name, events=events)

    def full(self, why: str) -> None:
        """The outbox begins to be full."""
        self.log.error("outbox full", why=why)

    def dropped(self, events: Mapping[str, int], why: str) -> None:
        """Pending events were thrown away to make room, as the config has it; said like dead letters."""
        self._dropped.update(events)
        self._why_dropped = why
        self.say_dropped()

    def say_dropped(self, *, at_last: bool = False) -> None:
        """Say what was not said yet, if it is time."""
        now = self._clock.monotonic()
        if self._dropped and (at_last or now - self._dropped_at >= _DEAD_EVERY):
            events, self._dropped, self._dropped_at = dict(self._dropped), Counter(), now
            total = sum(events.values())
            self.log.warning(
                "events dropped", events=total, destinations=events, why=self._why_dropped
            )

    def source_failed(self, source: str, error: Exception, seconds: float) -> None:
        """A source has failed, and is tried again after so long; said once for as long as it is the same."""
        self.metrics.source_failures.labels(source).inc()
        why = str(error) if isinstance(error, WebhookError) else f"{type(error).__name__}: {error}"
        if self._failing_sources.get(source) != why:
            self._failing_sources[source] = why
            hint = f"it is tried again in {seconds:.0f} s, and then less and less often"
            self.log.error("intake failed", source=source, why=why, next=hint)

    def source_works(self, source: str) -> None:
        """A source that had failed does its work again."""
        del self._failing_sources[source]
        self.log.info("intake works again", source=source)

    def source_ended(self, source: str) -> None:
        """There is nothing more to come from it."""
        self.log.info("intake ended", source=source)

    def not_written(self, name: str, error: OutboxError) -> None:
        """Something of that destination could not be; it is tried again. Damage is told by `outbox_failed`."""
        if isinstance(error, OutboxDamagedError):
            return
        self._unwritten.add(name)
        now = self._clock.monotonic()
        if now - self._unwritten_at >= _UNWRITTEN_EVERY:
            self._unwritten_at = now
            self.log.error("outbox cannot be written", why=str(error))

    def written(self, name: str) -> None:
        """That destination's can be written again."""
        if name in self._unwritten:
            self._unwritten.discard(name)
            if not self._unwritten:
                self._unwritten_at = -inf
                self.log.info("outbox can be written again")

    def outbox_failed(self, error: OutboxError) -> None:
        """The outbox has met a fault of its file or disk. That it is damaged stays so, and is said again."""
        self.metrics.outbox_errors.inc()
        if not isinstance(error, OutboxDamagedError):
            return
        self.damage = str(error)
        self.metrics.outbox_damaged.set(1)
        now = self._clock.monotonic()
        if now - self._damaged_at >= _DAMAGED_EVERY:
            self._damaged_at = now
            hint = "nothing more is accepted, and what can be read is delivered, until a relay is started on what recover saves"
            self.log.error("outbox damaged", why=self.damage, next=hint)

    def not_kept(self, error: OutboxError) -> None:
        """What came could not be kept: at once, and then once a minute. Damage is told by `outbox_failed`."""
        if isinstance(error, OutboxDamagedError):
            return
        now = self._clock.monotonic()
        if now - self._not_kept_at >= _DEAD_EVERY:
            self._not_kept_at, self._says_not_kept = now, True
            hint = "clients are told 503, and what can wait to be read waits, until there is room"
            self.log.error("events cannot be kept", why=str(error), next=hint)

    def kept(self) -> None:
        """It can be again."""
        if self._says_not_kept:
            self._says_not_kept = False
            self.log.info("events can be kept again")
