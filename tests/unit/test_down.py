"""When a whole destination is plainly down, so that the rest of a `send_batch` is not tried."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from support.heart import (
    Canned,
    Dice,
    LinesFormat,
    destination,
    line_answer,
    reason_of,
)
from vaulytica.delivery.batching import Batch, Item
from vaulytica.delivery.lane import Lane
from vaulytica.delivery.outcome import (
    Deferred,
    Delivered,
    Outcome,
    Reason,
    ReasonKind,
    Rejected,
    Result,
)
from vaulytica.delivery.policy import ONCE
from vaulytica.delivery.report import Report, Settlement
from vaulytica.delivery.request import Response
from vaulytica.delivery.run import DownDetector, OnResult, Run
from vaulytica.errors import FailureKind, TransportFailure

OK = Delivered(200)
SPENT = Deferred(Reason(ReasonKind.SERVER, "HTTP 500", 500))
NO_ANSWER = Deferred(Reason(ReasonKind.UNREACHABLE, "no connection"))
BAD = Rejected(Reason(ReasonKind.REJECTED, "HTTP 400", 400))
UNFIT = Rejected(Reason(ReasonKind.EVENT, "event has no type"))
STOPPED = Deferred(Reason(ReasonKind.NOT_SENT, "not sent"))


def rejected(status: int, kind: ReasonKind = ReasonKind.REJECTED) -> Rejected:
    return Rejected(Reason(kind, f"HTTP {status}", status))


def settlement(*outcomes: Outcome) -> Settlement:
    """The settlement of a batch of so many events."""
    made = Settlement()
    for position, outcome in enumerate(outcomes):
        if isinstance(outcome, Delivered):
            made.take(Batch([Item(position, "id", b"")]), outcome, 1)
        else:
            made.results.append(Result(position, None, outcome, 1))
    return made


def down(*batches: Outcome | tuple[Outcome, ...]) -> str | None:
    """Why the destination is held to be down after these batches, of one event or more."""
    detector = DownDetector()
    for batch in batches:
        detector.observe(settlement(*(batch if isinstance(batch, tuple) else (batch,))))
    return detector.why


@pytest.mark.parametrize(
    "outcome",
    [
        rejected(401, ReasonKind.AUTH),
        rejected(407, ReasonKind.AUTH),
        Rejected(Reason(ReasonKind.AUTH, "no token")),
        Rejected(Reason(ReasonKind.AUTH, "HTTP 403: Invalid token", 403, of_all=True)),
        Rejected(Reason(ReasonKind.TLS, "expired")),
        rejected(410),
    ],
)
def test_down_at_once(outcome: Rejected) -> None:
    assert down(outcome) == outcome.reason.text
    assert down(OK, OK, outcome) == outcome.reason.text


@pytest.mark.parametrize(
    "outcome",
    [SPENT, NO_ANSWER, *map(rejected, (301, 302, 308, 404, 405)), rejected(403, ReasonKind.AUTH)],
)
def test_down_after_three_in_a_row(outcome: Rejected | Deferred) -> None:
    assert down(outcome, outcome) is None
    assert down(outcome, outcome, outcome) == outcome.reason.text
    assert down(outcome, outcome, OK, outcome, outcome) is None


def test_different_failures_in_a_row_count_together() -> None:
    assert down(SPENT, NO_ANSWER, rejected(404)) == "HTTP 404"


@pytest.mark.parametrize("outcome", [BAD, UNFIT, STOPPED, rejected(413), rejected(422), OK])
def test_an_events_own_fault_is_not_the_destinations(outcome: Outcome) -> None:
    assert down(*[outcome] * 100) is None


@pytest.mark.parametrize("outcome", [BAD, UNFIT, STOPPED])
def test_an_events_own_fault_proves_nothing_either_way(outcome: Outcome) -> None:
    assert down(SPENT, outcome, SPENT, outcome, SPENT) == "HTTP 500"


def test_a_batch_counts_once_and_not_at_all_if_anything_of_it_was_delivered() -> None:
    assert down((SPENT, SPENT, SPENT), (SPENT, BAD)) is None
    assert down((SPENT, SPENT), (SPENT, OK), (SPENT, SPENT), (SPENT, SPENT)) is None
    assert down((SPENT, SPENT), (SPENT, BAD), (SPENT, SPENT)) == "HTTP 500"


def test_once_down_it_stays_down() -> None:
    assert down(SPENT, SPENT, SPENT, OK) == "HTTP 500"


# --- What that means for a run.


def run_of(
    canned: Canned, entries: Iterable[object], on_result: OnResult | None = None, **parts: object
) -> Report:
    """A run of these entries, one request after another."""
    run = Run(Lane(destination(retry=ONCE, **parts)), on_result=on_result, keep_all=True)
    for entry in entries:
        run.put(entry, canned.clock.monotonic())
    run.end()
    while (delivery := run.take(canned.clock, Dice(0.5))) is not None:
        assert not isinstance(delivery, float), "there is nothing to wait for"
        run.settle(delivery, canned.run(delivery.flow))
    assert run.finished
    assert canned.all_used
    return run.total()


def report_of(canned: Canned, count: int, **parts: object) -> Report:
    """A run of so many events."""
    return run_of(canned, ({"type": f"t{n}"} for n in range(count)), **parts)


def test_the_rest_of_a_run_is_not_sent_and_says_why() -> None:
    report = report_of(Canned(Response(200), Response(401)), 5)
    assert report == 1
    assert [r.attempts for r in report.results] == [1, 1, 0, 0, 0]
    for result in report.results[2:]:
        assert reason_of(result).kind is ReasonKind.NOT_SENT
        assert reason_of(result).text == "not sent: the destination is down: HTTP 401"
    assert len(report.deferred) == 3


def test_three_events_that_spent_their_attempts_end_a_run() -> None:
    report = report_of(Canned(*[TransportFailure(FailureKind.CONNECT, "no connection")] * 3), 10)
    assert [r.attempts for r in report.results] == [1] * 3 + [0] * 7
    assert len(report.deferred) == 10


def test_bad_events_do_not_end_a_run() -> None:
    report = report_of(Canned(*[Response(400)] * 20, Response(200)), 21)
    assert report == 1
    assert report.results[20].delivered


def test_a_run_of_larger_batches_accounts_for_every_event() -> None:
    canned = Canned(line_answer(200, 400, 200), line_answer(200, 200, 503), line_answer(200))
    report = report_of(canned, 7, format=LinesFormat(max_events=3))
    assert report == 5
    assert [type(r.outcome) for r in report.results] == [
        Delivered, Rejected, Delivered, Delivered, Delivered, Deferred, Delivered
    ]  # fmt: skip


def test_results_are_told_as_they_come() -> None:
    heard: list[int] = []
    entries = [{"type": "a"}, None, {"type": "b"}]
    canned = Canned(Response(200), Response(200))
    report = run_of(canned, entries, lambda result: heard.append(result.position))
    assert sorted(heard) == [0, 1, 2]
    assert report == 2
