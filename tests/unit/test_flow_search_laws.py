"""Whatever breaks, refuses or is down: a search ends, and what it says of each event is true."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.heart import Canned, Dice, LinesFormat, batch_of, destination, guide_event
from support.whole import StoppingLines, numbers
from vaulytica.delivery import searching
from vaulytica.delivery.batching import Batch
from vaulytica.delivery.flow import deliver
from vaulytica.delivery.kept import Past, redeliver
from vaulytica.delivery.lane import Lane
from vaulytica.delivery.outcome import Outcome, outcome_of_status
from vaulytica.delivery.pace import PaceSettings
from vaulytica.delivery.policy import RetryPolicy
from vaulytica.delivery.request import Request, Response

NAMED = 460  # its body has the place of the event at fault


class AnyLines(StoppingLines):
    """One thing is said of all of them, or one of them is named."""

    def settle(self, response: Response, batch: Batch) -> list[Outcome]:
        if response.status == NAMED:
            return super().settle(response, batch)
        return [outcome_of_status(response)] * len(batch)


class Receiver:
    """Takes events, but for those that are `bad`; `noise` is answered first to so many requests."""

    def __init__(self, bad: dict[int, int], limit: int, noise: list[int | None]) -> None:
        self.bad, self.limit, self.noise = bad, limit, list(noise)
        self.taken: list[int] = []

    def answer(self, request: Request) -> Response:
        there = numbers(request)
        noise = self.noise.pop(0) if self.noise else None
        if noise is not None:
            return Response(noise, (), b"0")
        if len(request.body) > self.limit:
            return Response(413)
        faults = [(at, self.bad[n]) for at, n in enumerate(there) if n in self.bad]
        whole = [status for _, status in faults if status != NAMED]
        if whole:
            return Response(whole[0])
        if faults:
            at = faults[0][0]
            self.taken += there[:at]
            return Response(NAMED, (), json.dumps(at).encode())
        self.taken += there
        return Response(200)


STATUSES = st.sampled_from([400, 403, 404, 429, 500, 502, 503, NAMED])
FORMAT: LinesFormat = AnyLines(1000, 10**6)


@settings(max_examples=150)
@given(
    count=st.integers(1, 40),
    bad=st.dictionaries(st.integers(0, 39), STATUSES, max_size=40),
    limit=st.sampled_from([10**6, 1500, 300]),
    noise=st.lists(st.none() | STATUSES, max_size=60),
    many=st.sampled_from([1, 2, 5, 32]),
    retries=st.integers(0, 3),
    patience=st.sampled_from([0.0, 20.0, 300.0]),
    events_per_second=st.sampled_from([None, 10.0]),
    way=st.sampled_from(["sent", "in order", "kept", "kept in order"]),
)
def test_each_event_has_one_outcome_and_a_true_one(
    count: int,
    bad: dict[int, int],
    limit: int,
    noise: list[int | None],
    many: int,
    retries: int,
    patience: float,
    events_per_second: float | None,
    way: str,
) -> None:
    receiver = Receiver(bad, limit, noise)
    canned = Canned(*[receiver.answer] * 2000)
    lane = Lane(
        destination(
            format=FORMAT,
            retry=RetryPolicy(max_retries=retries, jitter=False),
            patience=patience,
            pace=PaceSettings(concurrency=1, open_after=2, events_per_second=events_per_second),
        )
    )
    batch = batch_of(FORMAT, *(guide_event(data={"n": n, "pad": "x" * 50}) for n in range(count)))
    ordered = way.endswith("in order")
    later: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(searching, "MANY", many)
        if way.startswith("kept"):
            past = Past(attempts=retries, charged=retries)
            flow = redeliver(lane, [batch], past, canned.clock, Dice(0.5), ordered=ordered)
            made = canned.run(flow)
            settlement = made.settlement
            later = [item.position for one in made.later for item in one.items]
        else:
            settlement = canned.run(deliver(lane, batch, canned.clock, Dice(0.5), ordered=ordered))
    results = settlement.all()
    assert sorted([*(r.position for r in results), *later]) == list(range(count))
    assert sorted(r.position for r in results if r.delivered) == sorted(receiver.taken)
    assert receiver.taken == sorted(receiver.taken) or not ordered
    assert lane.pace.in_flight == 0
