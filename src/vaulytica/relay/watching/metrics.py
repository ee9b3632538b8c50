"""Metrics for Prometheus. What the outbox counts is read from it; only what it does not know is counted here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest

from vaulytica.delivery.breaker import State as Breaker
from vaulytica.outbox.delivery import Counts

if TYPE_CHECKING:
    from vaulytica.relay.door.accept import Cut
    from vaulytica.relay.lanes.health import Health
    from vaulytica.relay.lanes.lane import RelayLane

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_BREAKER = {Breaker.CLOSED: 0, Breaker.HALF_OPEN: 1, Breaker.OPEN: 2}


class Counters:
    """Those of one destination."""

    def __init__(self, metrics: Metrics, name: str) -> None:
        self.retried = metrics.retried.labels(name)
        self.rejected = metrics.rejected.labels(name)
        self.seconds = metrics.seconds.labels(name)
        self.failed = metrics.failed.labels(name)


class Snapshot:
    """What the relay knows at the moment of a scrape; no counts and bytes, where the outbox fails."""

    def __init__(
        self,
        counts: Mapping[str, Counts],
        lanes: Mapping[str, RelayLane],
        *,
        bytes: int | None,
        totals: Mapping[str, int],
        failing: int,
        refused: Mapping[str, int],
        answers: Mapping[int, int],
        cut: Mapping[Cut, int],
    ) -> None:
        self.counts, self.lanes, self.bytes, self.totals = counts, lanes, bytes, totals
        self.failing = failing  # sources
        self.refused, self.answers, self.cut = refused, answers, cut


class Metrics:
    """All of a relay's. Nothing is registered with the process as a whole."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # they have no types
        self._registry = CollectorRegistry()
        make = partial(Counter, labelnames=_LABEL, registry=self._registry)
        self.retried = make(
            "vaulytica_retried_events", "Put back after an attempt, to be tried again."
        )
        self.rejected = make(
            "vaulytica_rejected_events", "Dead letters that the destination will never take."
        )
        self.failed = make("vaulytica_failed_attempts", "Requests that were not answered by 2xx.")
        self.seconds = Histogram(
            "vaulytica_attempt_seconds",
            "From a request to its answer.",
            labelnames=_LABEL,
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self.source_failures = Counter(
            "vaulytica_source_failures",
            "How often an intake beside HTTP could not go on.",
            labelnames=["source"],
            registry=self._registry,
        )
        self.outbox_errors = Counter(
            "vaulytica_outbox_errors",
            "Times that the outbox's file or disk has failed this process.",
            registry=self._registry,
        )
        self.outbox_damaged = Gauge(
            "vaulytica_outbox_damaged",
            "1: this process has found the outbox's file damaged.",
            registry=self._registry,
        )
        self._of: dict[str, Counters] = {}

    def of(self, name: str) -> Counters:
        """Those of that destination."""
        if name not in self._of:
            self._of[name] = Counters(self, name)
        return self._of[name]

    def exposition(self, snapshot: Snapshot) -> bytes:
        """The text that Prometheus reads."""
        registry = CollectorRegistry()
        registry.register(_Collected(snapshot))
        return generate_latest(registry) + generate_latest(self._registry)


class _Collected:
    """What is read at the moment of a scrape, as metrics."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        """Everything."""
        yield from self._of_outbox()
        yield from self._of_lanes()
        for name, value in self._snapshot.totals.items():
            yield CounterMetricFamily(f"vaulytica_{name}", _TOTALS[name], value=value)
        yield from self._of_intake()
        if self._snapshot.bytes is not None:
            yield GaugeMetricFamily(
                "vaulytica_outbox_bytes",
                "What the outbox holds on disk.",
                value=self._snapshot.bytes,
            )
        yield GaugeMetricFamily(
            "vaulytica_failing_sources",
            "Intakes beside HTTP that have failed, and are to be tried again.",
            value=self._snapshot.failing,
        )

    def _of_intake(self) -> Iterator[Metric]:
        refused = CounterMetricFamily(
            "vaulytica_refused_events",
            "Refused by this process, as the outbox was full, or could not be written on disk; each try.",
            labels=["reason"],
        )
        for reason, count in self._snapshot.refused.items():
            refused.add_metric([reason], count)
        yield refused
        answers = CounterMetricFamily(
            "vaulytica_intake_requests",
            "Requests over HTTP for the intake, by the status of their answer.",
            labels=["code"],
        )
        for status, count in self._snapshot.answers.items():
            answers.add_metric([str(status)], count)
        yield answers
        cut = CounterMetricFamily(
            "vaulytica_intake_cut_connections",
            "Connections over HTTP closed by this side with no answer, by the limit that they went over.",
            labels=["reason"],
        )
        for why, count in self._snapshot.cut.items():
            cut.add_metric([why], count)
        yield cut

    def _of_outbox(self) -> Iterator[Metric]:
        counts = self._snapshot.counts
        for name, what in _COUNTED.items():
            family = CounterMetricFamily(f"vaulytica_{name}_events", what, labels=_LABEL)
            for destination, count in counts.items():
                family.add_metric([destination], getattr(count, name))
            yield family
        for name, what in _STANDING.items():
            gauge = GaugeMetricFamily(f"vaulytica_{name}_events", what, labels=_LABEL)
            for destination, count in counts.items():
                gauge.add_metric([destination], getattr(count, name))
            yield gauge
        oldest = GaugeMetricFamily(
            "vaulytica_oldest_pending_seconds", "How long the oldest has waited.", labels=_LABEL
        )
        for destination, count in counts.items():
            oldest.add_metric([destination], count.oldest or 0.0)
        yield oldest

    def _of_lanes(self) -> Iterator[Metric]:
        limit = GaugeMetricFamily(
            "vaulytica_concurrency_limit", "Requests that may be in flight.", labels=_LABEL
        )
        in_flight = GaugeMetricFamily(
            "vaulytica_batches_in_flight", "Batches under way.", labels=_LABEL
        )
        breaker = GaugeMetricFamily(
            "vaulytica_breaker_state", "0 closed, 1 half open, 2 open.", labels=_LABEL
        )
        suspended = GaugeMetricFamily(
            "vaulytica_suspended",
            "1: refuses all that is sent; 2: paused by hand, or gone (410).",
            labels=_LABEL,
        )
        for name, lane in self._snapshot.lanes.items():
            limit.add_metric([name], lane.lane.pace.limit)
            in_flight.add_metric([name], lane.in_flight)
            breaker.add_metric([name], _BREAKER[lane.lane.pace.state])
            suspended.add_metric([name], _suspended(lane.health))
        yield from (limit, in_flight, breaker, suspended)


def _suspended(health: Health) -> int:
    return 2 if health.is_held_up else int(health.why is not None)


_LABEL = ["destination"]
_COUNTED = {
    "accepted": "Accepted for the destination since the outbox was made.",
    "delivered": "Taken by the destination since then.",
    "dropped": "Pending ones thrown away since then.",
    "purged": "Dead letters thrown away since then.",
}
_STANDING = {"pending": "Still to be delivered.", "dead": "Dead letters."}
_TOTALS = {
    "intake_events": "Accepted by this process.",
    "unwanted_events": "Accepted by this process, and wanted by no destination.",
    "unreadable_lines": "Lines of files and streams that were no events, and became events that say so.",
}
