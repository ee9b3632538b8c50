"""A sender with an outbox: to send is to keep, and to drain is to deliver. Over real sockets and SQLite."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.faulty import OK, Arrived, Faulty, http, replies
from support.outbox import OwnClock, everything, ids_in, the_law
from vaulytica.integrations.webhook import (
    AsyncWebhookSender,
    Event,
    WebhookConfig,
    WebhookError,
    WebhookEventError,
    WebhookSender,
)
from vaulytica.outbox import open_outbox

Serve = Callable[..., Faulty]
RETRY = {"max_retries": 2, "initial_delay": 10, "jitter": False}


@pytest.fixture
def clock() -> OwnClock:
    return OwnClock()


@pytest.fixture
def outbox(tmp_path: Path, clock: OwnClock) -> Iterator[Any]:
    with open_outbox(f"sqlite://{tmp_path}/outbox.db", clock=clock) as outbox:
        yield outbox
        the_law(outbox)


class Drained:
    """A sender of either kind, behind one sync face."""

    def __init__(self, kind: str, outbox: Any, url: str, **settings: Any) -> None:
        self.kind, self.outbox = kind, outbox
        settings = {"retry_config": RETRY, "patience": 0, "concurrency": 2, **settings}
        self.config = WebhookConfig(url=url, **settings)

    def do(self, verb: str, *arguments: Any, **more: Any) -> Any:
        if self.kind == "sync":
            with WebhookSender(self.config, outbox=self.outbox, name="siem") as sender:
                return getattr(sender, verb)(*arguments, **more)

        async def run() -> Any:
            async with AsyncWebhookSender(self.config, outbox=self.outbox, name="siem") as sender:
                return await getattr(sender, verb)(*arguments, **more)

        return asyncio.run(run())


@pytest.fixture
def draining(kind: str, outbox: Any) -> Callable[..., Drained]:
    return lambda url, **settings: Drained(kind, outbox, url, **settings)


def entries(count: int) -> list[dict[str, Any]]:
    return [{"type": "t", "data": {"n": n}, "id": f"id-{n}"} for n in range(count)]


def counts(outbox: Any) -> tuple[int, int, int]:
    siem = outbox.counts()["siem"]
    return siem.delivered, siem.dead, siem.pending


def test_to_send_is_to_keep_and_to_drain_is_to_deliver(
    draining: Callable[..., Drained], outbox: Any, serve: Serve
) -> None:
    server = serve(replies(OK))
    siem = draining(server.url)
    assert siem.do("send_event", "t", {"n": 1}, event_id="one") is True
    report = siem.do("send_batch", [*entries(3), {"data": {}}])
    assert (report, report.complete) == (3, False)
    assert [result.note for result in report.results[:3]] == ["kept in the outbox"] * 3
    assert (server.arrived, counts(outbox)) == ([], (0, 0, 4))
    drained = siem.do("drain")
    assert (drained.delivered, drained.dead, drained.deferred, drained.down) == (4, 0, 0, None)
    ids = [dict(arrived.headers)["Webhook-Id"] for arrived in server.arrived]
    assert sorted(ids) == ["id-0", "id-1", "id-2", "one"]
    assert siem.do("drain").delivered == 0


def test_an_event_that_cannot_be_sent_is_refused_and_not_kept(
    draining: Callable[..., Drained], outbox: Any
) -> None:
    siem = draining("http://127.0.0.1:1/", max_event_bytes=100)
    with pytest.raises(WebhookEventError):
        siem.do("send_event", "t", {"text": "x" * 200})
    assert outbox.counts() == {}


def test_many_events_are_kept_and_drained_as_batches(
    draining: Callable[..., Drained], outbox: Any, serve: Serve
) -> None:
    server = serve(replies(OK))
    siem = draining(server.url, batch={"max_events": 500})
    assert siem.do("send_batch", iter(entries(2500))) == 2500
    assert siem.do("drain").delivered == 2500
    sizes = [len(json.loads(arrived.body)) for arrived in server.arrived]
    assert sum(sizes) == 2500
    assert max(sizes) == 500
    assert list(everything(outbox)) == []


def test_what_fails_is_put_off_and_in_the_end_a_dead_letter(
    draining: Callable[..., Drained], outbox: Any, serve: Serve, clock: OwnClock
) -> None:
    server = serve(replies(http(500, b"try later")))
    siem = draining(server.url)
    siem.do("send_event", "t", {})
    for attempt, delay in ((1, 10), (2, 20)):
        assert siem.do("drain").deferred == 1
        assert len(server.arrived) == attempt
        clock.pass_by(delay - 1)
        siem.do("drain")
        assert len(server.arrived) == attempt
        clock.pass_by(1.1)
    assert siem.do("drain").dead == 1
    (dead,) = everything(outbox)
    assert (dead.state, dead.attempts, len(dead.tried)) == ("dead", 3, 3)
    assert dead.tried[-1].text.startswith("all 3 attempts failed, the last with: HTTP 500")


def test_what_is_paused_is_not_drained_and_says_so(
    draining: Callable[..., Drained], outbox: Any, serve: Serve
) -> None:
    server = serve(replies(OK))
    siem = draining(server.url)
    siem.do("send_event", "t", {})
    name = next(iter(outbox.counts()))
    outbox.pause(name, "maintenance")
    drained = siem.do("drain")
    assert (drained.delivered, drained.down) == (0, "it is paused: maintenance")
    outbox.resume([name])
    assert siem.do("drain").delivered == 1


def test_a_destination_that_is_plainly_down_stops_the_drain_and_buries_nothing(
    draining: Callable[..., Drained], outbox: Any, serve: Serve
) -> None:
    server = serve(replies(http(410, b"gone")))
    siem = draining(server.url, batch={"max_events": 10}, concurrency=1)
    siem.do("send_batch", entries(50))
    drained = siem.do("drain")
    assert drained.down is not None
    assert "410" in drained.down
    assert counts(outbox) == (0, 0, 50)


def test_partial_answers_split_what_was_kept_together(
    draining: Callable[..., Drained], outbox: Any, serve: Serve, clock: OwnClock
) -> None:
    def answer(arrived: Arrived) -> bytes:
        n = json.loads(arrived.body)["data"]["n"]
        # Four that fail: five in a row would open the breaker, and the order is nobody's.
        return http(503 if n in (2, 5, 8, 11) else 422 if n % 3 == 1 else 200, b"no")

    siem = draining(serve(replies(answer)).url)
    siem.do("send_batch", entries(30))
    drained = siem.do("drain")
    assert (drained.delivered, drained.dead, drained.deferred) == (16, 10, 4)
    assert counts(outbox) == (16, 10, 4)
    dead = ids_in(*everything(outbox, states=("dead",)))
    assert sorted(dead) == sorted(f"id-{n}" for n in range(1, 30, 3))


def test_secrets_do_not_get_into_what_is_kept(
    draining: Callable[..., Drained], outbox: Any, serve: Serve
) -> None:
    server = serve(replies(http(422, b"bad token fake-canary-1234")))
    auth = {"auth_type": "bearer_token", "bearer_token": "fake-canary-1234"}
    siem = draining(server.url, auth=auth)
    siem.do("send_event", "t", {})
    assert siem.do("drain").dead == 1
    assert b"fake-canary" not in outbox.path.read_bytes()
    assert all("fake-canary" not in str(kept) for kept in everything(outbox))


def test_a_sender_without_outbox_has_nothing_to_drain(kind: str) -> None:
    siem = Drained(kind, None, "http://127.0.0.1:1/")
    with pytest.raises(WebhookError, match="without an outbox"):
        siem.do("drain")


def test_streams_are_sent_at_once_and_say_so(outbox: Any) -> None:
    config = WebhookConfig(url="http://127.0.0.1:1/")
    with WebhookSender(config, outbox=outbox) as sender:
        with pytest.raises(WebhookError, match="with an outbox use send_batch"):
            sender.send_stream(entries(1))
        assert sender.name == "http://127.0.0.1:1"


def test_an_event_object_may_be_kept_as_it_is(
    draining: Callable[..., Drained], outbox: Any
) -> None:
    event = Event.create("t", {})
    report = draining("http://127.0.0.1:1/").do("send_batch", [event])
    assert report.results[0].event_id == event.id
