"""Retries over days: each is made when it is due, over restarts and clocks that are set; and all of it can be seen afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from support.conservation import Relay
from support.nursery import until
from support.putting import accepted
from vaulytica.outbox.delivery import Filter, Kept
from vaulytica.outbox.sqlite import SqliteOutbox

DAY = 86400.0
ANSWERS = (500, 502, 504, 507)


class Scheduled:
    """A relay whose one event is refused, again and again, each time in another way."""

    def __init__(self, one: Relay) -> None:
        self.relay = one
        (self.place,) = one.places
        one.clock = one.folder / "clock"
        self.place.stand_in.refuse = lambda _: ANSWERS[min(self.place.requests, len(ANSWERS)) - 1]
        one.configure(
            webhook={
                "patience": 0,
                "retry_config": {
                    "max_retries": 3,
                    "initial_delay": DAY,
                    "max_delay": 4 * DAY,
                    "jitter": False,
                },
            }
        )

    def at(self, days: float) -> None:
        """Set the system's clock."""
        assert self.relay.clock is not None
        self.relay.clock.write_text(str(days * DAY))

    def only(self) -> Kept:
        with SqliteOutbox(self.relay.outbox_path) as outbox:
            (kept,) = outbox.browse(Filter(), bodies=True)
            return kept

    def tried(self, times: int) -> Kept:
        """The delivery, as soon as it was tried so often, and that is on disk."""
        until(
            lambda: len(self.only().tried) == times,
            lambda: f"{times} attempts: {self.only()}",
            60.0,
        )
        return self.only()


@pytest.fixture
def scheduled(tmp_path: Path, make: Callable[..., Relay]) -> Scheduled:
    return Scheduled(make(tmp_path))


def test_a_schedule_of_days_outlives_restarts_and_is_seen_afterwards(scheduled: Scheduled) -> None:
    one = scheduled.relay
    scheduled.at(0)
    process = one.start()
    assert len(accepted(one, 1, "a")) == 1
    days = [0.0, 1.0, 3.0, 7.0]  # after one day, two more, four more
    for number, day in enumerate(days, 1):
        if number > 1:
            process.kill()
            scheduled.at(day - 0.1)
            process = one.start()  # too early
            with SqliteOutbox(one.outbox_path) as outbox:
                wait = outbox.due()["webhook"]
            assert 0.05 * DAY < wait < 0.15 * DAY
            assert scheduled.place.requests == number - 1
            process.kill()
            scheduled.at(day + 0.04)
            process = one.start()
        kept = scheduled.tried(number)
        assert kept.state == ("dead" if number == len(days) else "deferred")
    shown = one.outbox_command("show", str(kept.id), "--json")
    assert shown.wait() == 0
    said = json.loads(shown.log.read_text("utf-8"))
    assert [each["status"] for each in said["tried"]] == list(ANSWERS)
    assert [each["text"][:8] for each in said["tried"][:-1]] == ["HTTP 500", "HTTP 502", "HTTP 504"]
    assert said["tried"][-1]["text"].startswith("all 4 attempts failed, the last with: HTTP 507")
    assert said["attempts"] == 4
    dates = [datetime.fromisoformat(each["at"]) for each in said["tried"]]
    assert [round((at - dates[0]).total_seconds() / DAY) for at in dates] == days
