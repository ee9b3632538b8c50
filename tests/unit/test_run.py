"""A run without a driver: bounded, in order where asked, and every entry accounted for."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from support.heart import Canned, Dice, LinesFormat, OwnClock, destination, line_answer, reason_of
from vaulytica.delivery.lane import Lane
from vaulytica.delivery.outcome import ReasonKind
from vaulytica.delivery.pace import PaceSettings
from vaulytica.delivery.policy import ONCE
from vaulytica.delivery.ports import Send
from vaulytica.delivery.report import KEPT, Report
from vaulytica.delivery.request import Response
from vaulytica.delivery.run import DownDetector, Run
from vaulytica.lines import Entries

LINES = LinesFormat(max_events=3)
INF = float("inf")


def run_of(*, ordered: bool = False, width: int = 2, max_wait: float = 1.0, **more: Any) -> Run:
    to = destination(
        format=LINES, retry=ONCE, pace=PaceSettings(concurrency=width), max_wait=max_wait
    )
    return Run(Lane(to), ordered=ordered, **more)


def entry(n: int) -> dict[str, Any]:
    return {"type": f"t{n}", "data": {"n": n}}


def taken(run: Run, clock: OwnClock) -> Any:
    return run.take(clock, Dice(0.5))


def perform(run: Run, delivery: Any, answer: Any) -> None:
    run.settle(delivery, Canned(answer).run(delivery.flow))


def test_a_full_batch_can_be_taken_at_once_and_a_part_of_one_after_max_wait() -> None:
    run, clock = run_of(max_wait=2.0), OwnClock()
    assert taken(run, clock) == INF
    assert [run.put(entry(n), clock.monotonic()) for n in range(4)] == [
        True, False, True, True
    ], "one begins to wait, a batch is full, another begins to wait"  # fmt: skip
    assert not isinstance(taken(run, clock), float)
    assert taken(run, clock) == 2.0
    clock.sleep(1.5)
    assert taken(run, clock) == 0.5
    run.put(entry(5), clock.monotonic())
    assert taken(run, clock) == 0.5, "it is the first that waits longest"
    clock.sleep(0.5)
    assert not isinstance(taken(run, clock), float)
    assert taken(run, clock) == INF


def test_the_end_of_the_source_sends_what_is_left() -> None:
    run, clock = run_of(max_wait=60.0), OwnClock()
    run.put(entry(1), clock.monotonic())
    assert taken(run, clock) == 60.0
    run.end()
    perform(run, taken(run, clock), line_answer(200))
    assert taken(run, clock) is None
    assert run.finished
    assert run.total() == 1


def test_it_wants_no_more_than_can_be_under_way_and_one_batch_ahead() -> None:
    run, clock = run_of(width=2), OwnClock()
    put = 0
    while run.hungry:
        run.put(entry(put), clock.monotonic())
        put += 1
    assert put == 9, "two under way, one ahead"
    flow = taken(run, clock)
    assert not run.hungry, "it is under way, not settled"
    perform(run, flow, line_answer(200, 200, 200))
    assert run.hungry


def test_reports_nobody_takes_hold_the_sending_up() -> None:
    run, clock = run_of(width=1), OwnClock()
    while run.hungry:
        run.put({"no": "type"}, clock.monotonic())
    assert len(run.reports) == 4
    for n in range(3):
        run.put(entry(n), clock.monotonic())
    assert taken(run, clock) == INF
    run.reports.popleft()
    assert not isinstance(taken(run, clock), float)


def test_several_entries_handed_over_at_once_count_as_that_many() -> None:
    run, clock = run_of(), OwnClock()
    run.put(Entries([entry(0), {"no": "type"}, entry(2)]), clock.monotonic())
    run.end()
    perform(run, taken(run, clock), line_answer(200, 200))
    assert (run.total(), run.total().events) == (2, 3)
    assert [result.position for result in run.total().rejected] == [1]


def drained(run: Run, entries: list[Any], *answers: Any) -> Report:
    clock = OwnClock()
    for one in entries:
        run.put(one, clock.monotonic())
    run.end()
    canned = Canned(*answers, clock=clock)
    run.reports.clear()
    while (flow := taken(run, clock)) is not None:
        run.reports.clear()
        if not isinstance(flow, float):
            run.settle(flow, canned.run(flow.flow))
    assert canned.all_used
    return run.total()


def test_in_order_a_rejected_event_does_not_block() -> None:
    report = drained(
        run_of(ordered=True),
        [entry(n) for n in range(6)],
        line_answer(200, 400, 200),
        line_answer(200, 200, 200),
    )
    assert (report, len(report.rejected), len(report.deferred)) == (5, 1, 0)


def test_in_order_a_deferred_event_blocks_what_follows() -> None:
    report = drained(run_of(ordered=True), [entry(n) for n in range(8)], line_answer(200, 503, 200))
    assert report == 2
    assert [r.position for r in report.deferred] == [1, 3, 4, 5, 6, 7]
    for result in report.deferred[1:]:
        assert reason_of(result).text.startswith(
            "not sent: it would overtake an earlier event: the attempt failed with"
        )


def test_out_of_order_it_does_not() -> None:
    report = drained(
        run_of(),
        [entry(n) for n in range(6)],
        line_answer(200, 503, 200),
        line_answer(200, 200, 200),
    )
    assert (report, [r.position for r in report.deferred]) == (5, [1])


def test_in_order_one_batch_is_under_way_at_a_time() -> None:
    assert run_of(ordered=True, width=8).width == 1
    assert run_of(width=8).width == 8


def test_the_total_of_a_stream_counts_all_and_lists_only_so_many() -> None:
    report = drained(run_of(), [{"no": "type"}] * (KEPT + 500) + [entry(1)], line_answer(200))
    assert report == 1
    assert report.counts.rejected == KEPT + 500
    assert len(report.results) == KEPT
    assert report.omitted == 500
    assert report.events == KEPT + 501
    assert not report.complete


STATUSES = st.sampled_from([200, 400, 503])


@given(st.lists(STATUSES | st.none(), max_size=30), st.booleans())
def test_every_entry_is_counted_once(fates: list[int | None], keep_all: bool) -> None:
    """None stands for an entry that is no event; a number for what its line is answered with."""
    run, clock = run_of(keep_all=keep_all), OwnClock()
    for n, fate in enumerate(fates):
        run.put(entry(n) if fate else {}, clock.monotonic())
    run.end()

    def answer(request: Any) -> Response:
        numbers = [int(line.split(b'"n":')[1].rstrip(b"}")) for line in request.body.splitlines()]
        return line_answer(*[fates[n] or 0 for n in numbers])

    reports: list[Report] = []
    while (flow := taken(run, clock)) is not None:
        if isinstance(flow, float):
            reports += run.reports
            run.reports.clear()
            continue
        perform(run, flow, answer)
    reports += run.reports
    total = run.total()
    listed = total.results if keep_all else [r for report in reports for r in report.undelivered]
    # After so many batches in a row with nothing delivered, the rest is not sent.
    left = {r.position for r in listed if r.reason and r.reason.kind is ReasonKind.NOT_SENT}
    told = [fate for n, fate in enumerate(fates) if n not in left]
    assert not left or told.count(503) >= DownDetector.AFTER
    assert total == told.count(200)
    assert total.counts.rejected == told.count(400) + told.count(None)
    assert total.counts.deferred == told.count(503) + len(left)
    if keep_all:
        assert [r.position for r in total.results] == list(range(len(fates)))
    else:
        assert sum(reports) == total
        assert sum(report.events for report in reports) == len(fates)
        undelivered = sorted(r.position for report in reports for r in report.undelivered)
        assert undelivered == [n for n, fate in enumerate(fates) if fate != 200 or n in left]


def test_what_a_stopped_run_leaves() -> None:
    run, clock = run_of(), OwnClock()
    for n in range(8):
        run.put(entry(n), clock.monotonic())
    perform(run, taken(run, clock), line_answer(200, 200, 200))
    flow = taken(run, clock).flow
    assert [item.position for item in run.left().not_begun] == [3, 4, 5, 6, 7]
    while not isinstance(effect := next(flow), Send):
        assert effect.ask() == 0
    left = run.left()
    assert [item.position for item in left.under_way] == [3, 4, 5]
    assert [item.position for item in left.not_begun] == [6, 7]
