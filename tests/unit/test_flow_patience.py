"""What costs an event its retries, and what does not: a destination that is busy or down for all."""

from __future__ import annotations

import pytest

from support.deliveries import LockedAuth
from support.heart import Canned, batch_of, delivered, destination, guide_event, reason_of
from vaulytica.delivery.lane import Lane
from vaulytica.delivery.outcome import Deferred, ReasonKind, Result
from vaulytica.delivery.pace import Heard, Pace, PaceSettings, Signal
from vaulytica.delivery.policy import ONCE, RetryPolicy
from vaulytica.delivery.request import Response
from vaulytica.errors import AuthFailure, FailureKind, TransportFailure

POLICY = RetryPolicy(max_retries=2, initial_delay=1.0, jitter=False)
BUSY, WELL, BROKEN = Response(503), Response(200), Response(500)


class Blaming(Pace):
    """Holds the destination to be at fault, or not, as it is told; and keeps what it heard."""

    def __init__(self, *verdicts: bool) -> None:
        super().__init__()
        self.verdicts = list(verdicts)
        self.signals: list[Signal] = []

    def heed(self, now: float, signal: Signal, *, admitted: bool = True) -> bool:
        super().heed(now, signal, admitted=admitted)
        self.signals.append(signal)
        return self.verdicts.pop(0) if len(self.verdicts) > 1 else self.verdicts[0]


def one(canned: Canned, pace: Pace, *, patience: float = 300.0, **more: object) -> Result:
    lane = Lane(destination(retry=POLICY, patience=patience))
    lane.pace = pace
    (result,) = delivered(canned, lane, batch_of(lane.destination.format, guide_event()), **more)
    return result


def test_an_attempt_that_failed_for_all_costs_nothing() -> None:
    result = one(Canned(*[BUSY] * 20, WELL), Blaming(True), patience=10_000.0)
    assert result.delivered
    assert result.attempts == 21


def test_an_attempt_that_failed_by_itself_counts() -> None:
    result = one(Canned(*[BUSY] * 3), Blaming(False))
    assert not result.delivered
    assert result.attempts == 3
    assert reason_of(result).text.startswith("all 3 attempts failed, the last with")


def test_those_that_count_are_counted_whatever_lies_between() -> None:
    pace = Blaming(False, True, True, False, True, False)
    result = one(Canned(*[BUSY] * 6), pace)
    assert not result.delivered
    assert result.attempts == 6


def test_patience_ends() -> None:
    canned = Canned(*[BUSY] * 7, took=9.0)
    result = one(canned, Blaming(True), patience=50.0)
    assert not result.delivered
    assert reason_of(result).text.startswith("the destination was busy or down for 53 s, and")
    assert 50 <= sum(canned.delays) + 9 * result.attempts <= 65


def test_a_single_events_caller_has_a_schedule_of_their_own() -> None:
    result = one(Canned(*[BUSY] * 3), Blaming(True), patient=False)
    assert result.attempts == 3


def test_who_wants_no_retries_gets_none() -> None:
    lane = Lane(destination(retry=RetryPolicy(max_retries=0)))
    lane.pace = Blaming(True)
    batch = batch_of(lane.destination.format, guide_event())
    (result,) = delivered(Canned(BUSY), lane, batch)
    assert result.attempts == 1


@pytest.mark.parametrize(
    ("answer", "heard", "hold"),
    [
        (WELL, Heard.WELL, None),
        (Response(400), Heard.WELL, None),
        (Response(404), Heard.WELL, None),
        (BROKEN, Heard.FAILED, None),
        (BUSY, Heard.BUSY, None),
        (Response(429, {"Retry-After": "7"}), Heard.BUSY, 7.0),
        (Response(429, {"X-RateLimit-Reset": "9"}), Heard.BUSY, 9.0),
        (Response(502, {"Retry-After": "3"}), Heard.FAILED, 3.0),
        (TransportFailure(FailureKind.CONNECT, "no"), Heard.UNREACHED, None),
        (TransportFailure(FailureKind.RESOLVE, "no"), Heard.UNREACHED, None),
        (TransportFailure(FailureKind.BROKEN, "no"), Heard.FAILED, None),
        (TransportFailure(FailureKind.TIMEOUT, "no"), Heard.FAILED, None),
        (TransportFailure(FailureKind.TLS, "no", retryable=False), Heard.FAILED, None),
    ],
    ids=repr,
)
def test_what_the_pace_is_told(answer: object, heard: Heard, hold: float | None) -> None:
    pace = Blaming(False)
    one(Canned(*[answer] * 3, took=0.25), pace)  # type: ignore[list-item]
    signal = pace.signals[0]
    assert [one.again for one in pace.signals] == [n > 0 for n in range(len(pace.signals))]
    assert (signal.heard, signal.hold, signal.latency) == (heard, hold, 0.25)
    assert signal.delivered == (answer is WELL)


def test_a_missing_token_tells_nothing_of_the_destination() -> None:
    pace = Blaming(False)
    lane = Lane(destination(retry=ONCE, auth=LockedAuth(AuthFailure("no token", retryable=True))))
    lane.pace = pace
    delivered(Canned(), lane, batch_of(lane.destination.format, guide_event()))
    assert pace.signals == []
    assert pace.in_flight == 0


HELD = Response(429, {"Retry-After": "100"})


def test_a_destination_that_asked_to_wait_is_not_asked_by_others() -> None:
    lane = Lane(destination(retry=POLICY))
    batch = batch_of(lane.destination.format, guide_event())
    canned = Canned(HELD, WELL)
    delivered(canned, lane, batch, retry=ONCE, patient=False)
    (result,) = delivered(canned, lane, batch, patient=False)
    assert result.delivered
    assert canned.pauses == [100.0]


def test_who_wants_no_retries_waits_for_nobody() -> None:
    lane = Lane(destination(retry=ONCE))
    batch = batch_of(lane.destination.format, guide_event())
    canned = Canned(HELD, WELL)
    delivered(canned, lane, batch, patient=False)
    (result,) = delivered(canned, lane, batch, patient=False)
    assert result.delivered
    assert canned.pauses == []


def test_who_has_a_deadline_does_not_wait_past_it() -> None:
    lane = Lane(destination(retry=RetryPolicy(max_retries=2, deadline=60.0)))
    batch = batch_of(lane.destination.format, guide_event())
    canned = Canned(HELD)
    delivered(canned, lane, batch, retry=ONCE, patient=False)
    (result,) = delivered(canned, lane, batch, patient=False)
    assert reason_of(result).kind is ReasonKind.NOT_SENT
    assert (
        reason_of(result).text == "not sent: it would have to wait for 100.0 s, past the deadline"
    )
    assert (result.attempts, canned.pauses) == (0, [])
    assert lane.pace.in_flight == 0


def test_a_stream_without_retries_keeps_the_pace_all_the_same() -> None:
    lane = Lane(destination(retry=ONCE))
    batch = batch_of(lane.destination.format, guide_event())
    canned = Canned(HELD, WELL)
    (first,) = delivered(canned, lane, batch)
    (second,) = delivered(canned, lane, batch)
    assert (first.delivered, first.attempts, second.delivered) == (False, 1, True)
    assert canned.pauses == [100.0]


def test_who_has_no_patience_has_retries_still() -> None:
    result = one(Canned(*[BUSY] * 3), Blaming(True), patience=0.0)
    assert result.attempts == 3


def test_single_events_in_calm_times_leave_the_pace_as_it_is() -> None:
    lane = Lane(destination(retry=ONCE))
    lane.pace = pace = Blaming(False)
    batch = batch_of(lane.destination.format, guide_event())
    for answer in (WELL, WELL, BROKEN, BROKEN, WELL, WELL):
        delivered(Canned(answer), lane, batch, patient=False)
        assert pace.in_flight == 0
    heard = [signal.heard for signal in pace.signals]
    assert heard == [Heard.WELL, Heard.FAILED, Heard.FAILED, Heard.WELL]


# --- Waits that the destination asks for, and nobody has the patience for.


def batches(lane: Lane, canned: Canned, *sizes: int) -> list[list[Result]]:
    """Delivered one after the other, patiently, as in a stream."""
    format = lane.destination.format
    sets = [batch_of(format, *(guide_event() for _ in range(size))) for size in sizes]
    return [delivered(canned, lane, one) for one in sets]


@pytest.mark.parametrize(
    ("patience", "asked", "borne"), [(300.0, 301, 300), (0.0, 61, 60), (10.0, 3600, 10)]
)
def test_a_wait_that_is_longer_than_the_patience_is_not_waited_for(
    patience: float, asked: int, borne: int
) -> None:
    lane = Lane(destination(retry=POLICY, patience=patience))
    canned = Canned(Response(429, {"Retry-After": str(asked)}))
    first, second = (results[0] for results in batches(lane, canned, 1, 1))
    assert (canned.waits, canned.pauses, canned.all_used) == ([], [], True)
    assert reason_of(first).text == (
        f"the destination asks to wait for {asked} s, and is borne for {borne} s at most; "
        "the last attempt failed with: HTTP 429"
    )
    assert (first.attempts, second.attempts) == (1, 0)
    assert isinstance(second.outcome, Deferred)
    assert (second.outcome.reason.kind, second.outcome.retry_after) == (
        ReasonKind.NOT_SENT,
        float(asked),
    )
    assert reason_of(second).text == (
        f"not sent: the destination asks to wait for {asked} s more, longer than it is borne"
    )


def test_what_was_waited_for_already_is_part_of_the_patience() -> None:
    lane = Lane(destination(retry=POLICY, patience=300.0))
    canned = Canned(*[Response(429, {"Retry-After": "200"})] * 2)
    ((result,),) = batches(lane, canned, 1)
    assert canned.delays == [200.0]
    assert "and is borne for 100 s at most" in reason_of(result).text


def test_waits_within_the_patience_are_waited_for() -> None:
    for patience, asked in ((300.0, 300), (0.0, 60)):
        lane = Lane(destination(retry=POLICY, patience=patience))
        canned = Canned(Response(429, {"Retry-After": str(asked)}), WELL, WELL)
        assert [r.delivered for (r,) in batches(lane, canned, 1, 1)] == [True, True]
        assert canned.delays == [asked]


def test_the_wait_is_bounded_by_the_cap_before_it_is_held_against_the_patience() -> None:
    capped = {"retry": RetryPolicy(retry_after_cap=20.0), "pace": PaceSettings(max_hold=20.0)}
    lane = Lane(destination(patience=50.0, **capped))
    canned = Canned(Response(429, {"Retry-After": "3600"}), WELL)
    ((result,),) = batches(lane, canned, 1)
    assert result.delivered
