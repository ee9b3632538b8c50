"""send_stream over real sockets: bounded, held back, in order where asked, and told of as it goes."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from support.drivers import Sending, config_for
from support.faulty import OK, Arrived, Faulty, http, replies
from vaulytica.delivery.report import KEPT
from vaulytica.integrations.webhook import AsyncWebhookSender, Report, Result, WebhookSender

Serve = Callable[..., Faulty]
SenderOf = Callable[..., Sending]
BATCHES = {"batch": {"max_events": 10, "as": "array", "max_wait": 60}}


def entries(count: int) -> Iterator[dict[str, Any]]:
    return ({"type": "file_shared", "data": {"n": n}, "id": f"event-{n}"} for n in range(count))


def numbers(arrived: Arrived) -> list[int]:
    document = json.loads(arrived.body)
    return [one["data"]["n"] for one in (document if isinstance(document, list) else [document])]


def test_a_stream_goes_out_in_batches(serve: Serve, sender_of: SenderOf) -> None:
    server = serve(replies(OK))
    total, reports = sender_of(server.url, **BATCHES).send_stream(entries(95))
    assert (total, total.events, total.complete) == (95, 95, True)
    assert len(server.arrived) == 10
    assert sorted(n for arrived in server.arrived for n in numbers(arrived)) == list(range(95))
    assert (sum(reports), len(reports)) == (95, 10)
    assert total.results == (), "there is nothing to say of what is delivered"


def test_send_batch_goes_out_in_batches_and_tells_of_every_event(
    serve: Serve, sender_of: SenderOf
) -> None:
    server = serve(replies(OK))
    report = sender_of(server.url, **BATCHES).send_batch(entries(25))
    assert (report, len(server.arrived)) == (25, 3)
    assert [result.event_id for result in report.results] == [f"event-{n}" for n in range(25)]
    assert all(result.attempts == 1 for result in report.results)


def test_each_batch_has_an_id_that_its_retry_keeps(serve: Serve, sender_of: SenderOf) -> None:
    server = serve(replies(http(500), OK))
    assert sender_of(server.url, concurrency=1, **BATCHES).send_stream(entries(20))[0] == 20
    ids = [arrived.header("webhook-id") for arrived in server.arrived]
    assert ids[0] == ids[1] != ids[2]
    assert ids[0].startswith("batch-")


def test_what_is_not_delivered_is_listed_with_its_position(
    serve: Serve, sender_of: SenderOf
) -> None:
    server = serve(replies(lambda a: http(422, b"no sevens") if 7 in numbers(a) else OK))
    mixed = [{"type": ""}, *entries(20), None]
    heard: list[Result] = []
    total, reports = sender_of(server.url, **BATCHES).send_stream(mixed, on_result=heard.append)
    assert (total, total.counts.rejected) == (19, 3)
    assert [result.position for result in total.undelivered] == [0, 8, 21]
    assert "no sevens" in str(total.undelivered[1].reason)
    assert sorted(result.position for result in heard) == list(range(22))
    assert sum(len(report.undelivered) for report in reports) == 3


@pytest.mark.parametrize("count", [0, 1])
def test_few_or_no_events(count: int, serve: Serve, sender_of: SenderOf) -> None:
    server = serve(replies(OK))
    total, reports = sender_of(server.url, **BATCHES).send_stream(entries(count))
    assert (total, len(server.arrived), len(reports)) == (count, count, count)


def test_the_source_is_read_no_faster_than_events_go_out(serve: Serve, sender_of: SenderOf) -> None:
    server = serve(replies(OK))
    settled, ahead = [0], []

    def watched() -> Iterator[dict[str, Any]]:
        for n, entry in enumerate(entries(400)):
            ahead.append(n - settled[0])
            yield entry

    def count(_: Result) -> None:
        settled[0] += 1

    sender = sender_of(server.url, concurrency=2, **BATCHES)
    assert sender.send_stream(watched(), on_result=count)[0] == 400
    assert max(ahead) <= 3 * 10, "two batches under way, one being filled"


def test_in_order_one_request_is_in_flight_and_nothing_overtakes(
    serve: Serve, sender_of: SenderOf
) -> None:
    failed = set()

    def answer(arrived: Arrived) -> bytes:
        first = numbers(arrived)[0]
        if first % 3 == 0 and first not in failed:
            failed.add(first)
            return http(500)
        return OK

    server = serve(replies(answer))
    sender = sender_of(server.url, ordered=True, **BATCHES)
    assert sender.send_stream(entries(100))[0] == 100
    arrived = [numbers(a)[0] for a in server.arrived]
    assert arrived == sorted(arrived)
    assert server.connections == 1


def test_in_order_what_follows_a_given_up_event_is_not_sent(
    serve: Serve, sender_of: SenderOf
) -> None:
    server = serve(replies(lambda a: http(500) if 25 in numbers(a) else OK))
    total, _ = sender_of(server.url, retries=1, **BATCHES).send_stream(entries(100), ordered=True)
    assert (total, total.counts.deferred) == (20, 80)
    assert len(server.arrived) == 4


def test_an_event_does_not_wait_for_ever_for_its_batch_to_be_full(serve: Serve, kind: str) -> None:
    server = serve(replies(OK))
    config = config_for(server.url, batch={"max_events": 1000, "as": "ndjson", "max_wait": 0.05})
    go_on = threading.Event()

    def slow() -> Iterator[dict[str, Any]]:
        yield from entries(3)
        assert go_on.wait(60)
        yield from entries(2)

    async def slowly() -> AsyncIterator[dict[str, Any]]:
        for entry in entries(3):
            yield entry
        while not go_on.is_set():
            await asyncio.sleep(0.01)
        for entry in entries(2):
            yield entry

    async def run() -> list[int]:
        got = []
        async with AsyncWebhookSender(config) as sender:
            async for report in sender.send_stream(slowly()):
                got.append(int(report))
                go_on.set()
        return got

    if kind == "async":
        assert sum(asyncio.run(run())) == 5
        return
    with WebhookSender(config) as sender:
        got = []
        for report in sender.send_stream(slow()):
            got.append(int(report))
            go_on.set()
    assert sum(got) == 5


def test_nor_does_one_that_comes_after_a_quiet_spell(serve: Serve, kind: str) -> None:
    server = serve(replies(OK))
    config = config_for(server.url, batch={"max_events": 1000, "as": "ndjson", "max_wait": 0.02})
    arrived = threading.Event()
    seen: list[int] = []

    def one_by_one() -> Iterator[dict[str, Any]]:
        for entry in entries(4):
            yield entry
            assert arrived.wait(60), "the one before has not gone out"
            arrived.clear()

    async def slowly() -> AsyncIterator[dict[str, Any]]:
        for entry in entries(4):
            yield entry
            for _ in range(6000):
                if arrived.is_set():
                    break
                await asyncio.sleep(0.01)
            assert arrived.is_set(), "the one before has not gone out"
            arrived.clear()

    def told(report: Report) -> None:
        seen.append(int(report))
        arrived.set()

    async def run() -> None:
        async with AsyncWebhookSender(config) as sender:
            await sender.send_stream(slowly()).run(told)

    if kind == "async":
        asyncio.run(run())
    else:
        with WebhookSender(config) as sender:
            sender.send_stream(one_by_one()).run(told)
    assert seen == [1, 1, 1, 1]


def test_the_report_of_a_moment_stays_as_it_was(serve: Serve) -> None:
    go_on = threading.Event()

    def answer(_: Arrived) -> bytes:
        assert go_on.wait(60)
        return OK

    server = serve(replies(OK, answer))
    with WebhookSender(config_for(server.url, **BATCHES)) as sender:
        stream = sender.send_stream(entries(30))
        next(stream)
        first = stream.report
        go_on.set()
        stream.run()
        assert (first.counts.delivered, first.events, first, stream.report) == (10, 10, 10, 30)


def endless() -> Iterator[dict[str, Any]]:
    while True:
        yield {"type": "file_shared", "data": {"pad": "x" * 200}}


def test_a_stream_left_half_way_stops(serve: Serve, kind: str) -> None:
    server = serve(replies(OK))
    config = config_for(server.url, **BATCHES)
    read = [0]

    def counted() -> Iterator[dict[str, Any]]:
        for entry in endless():
            read[0] += 1
            yield entry

    async def run() -> int:
        async with AsyncWebhookSender(config) as sender:
            async with sender.send_stream(counted()) as stream:
                async for report in stream:
                    assert report == 10
                    break
            return read[0]

    if kind == "async":
        before = asyncio.run(run())
    else:
        with WebhookSender(config) as sender, sender.send_stream(counted()) as stream:
            assert next(iter(stream)) == 10
        before = -1
    deadline = time.monotonic() + 60
    while read[0] != before and time.monotonic() < deadline:
        before = read[0]
        time.sleep(0.2)
    assert read[0] == before, "nobody reads any more"


def test_reports_nobody_takes_hold_the_source_back(serve: Serve) -> None:
    server = serve(replies(OK))
    read = [0]

    def counted() -> Iterator[dict[str, Any]]:
        for entry in endless():
            read[0] += 1
            yield entry

    with (
        WebhookSender(config_for(server.url, concurrency=2, **BATCHES)) as sender,
        sender.send_stream(counted()) as stream,
    ):
        assert next(stream) == 10
        deadline = time.monotonic() + 60
        last = -1
        while read[0] != last and time.monotonic() < deadline:
            last = read[0]
            time.sleep(0.3)
        assert read[0] == last, "it has come to a stand"
        assert read[0] < 300


def test_a_long_stream_of_bad_events_keeps_only_some_of_them(
    serve: Serve, sender_of: SenderOf
) -> None:
    server = serve(replies(OK))
    total, _ = sender_of(server.url, **BATCHES).send_stream({} for _ in range(KEPT + 100))
    assert total.counts.rejected == KEPT + 100
    assert (len(total.results), total.omitted) == (KEPT, 100)


class Mine(Exception):
    """An error of the caller's own."""


def test_an_error_of_the_source_ends_the_stream(serve: Serve, sender_of: SenderOf) -> None:
    def failing() -> Iterator[dict[str, Any]]:
        yield from entries(25)
        raise Mine

    server = serve(replies(OK))
    sender = sender_of(server.url, **BATCHES)
    with pytest.raises(Mine):
        sender.send_stream(failing())
    assert sender.send_stream(entries(5))[0] == 5


def test_a_stream_that_is_never_begun_says_so() -> None:
    with WebhookSender(config_for("http://127.0.0.1:9")) as sender:
        stream = sender.send_stream(entries(1))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del stream
    assert "nothing of it sent" in str(caught[0].message)


@pytest.mark.parametrize("events", ["text", b"bytes", {"type": "one"}, 5, None])
def test_what_is_no_iterable_of_events_is_refused(events: Any, sender_of: SenderOf) -> None:
    with pytest.raises(TypeError, match="send_stream takes an iterable of events"):
        sender_of("http://127.0.0.1:9").send_stream(events)


def test_the_total_so_far_can_be_looked_at(serve: Serve) -> None:
    server = serve(replies(OK))
    with WebhookSender(config_for(server.url, **BATCHES)) as sender:
        stream = sender.send_stream(entries(30))
        seen: list[Report] = []
        for _ in stream:
            seen.append(stream.report)
        assert seen[-1] == stream.report == 30
        assert stream.in_flight == 0


def test_a_halted_stream_brings_what_is_under_way_to_its_end(serve: Serve, kind: str) -> None:
    server = serve(replies(OK))
    config = config_for(server.url, concurrency=2, **BATCHES)

    async def run() -> Report:
        async with AsyncWebhookSender(config) as sender:
            stream = sender.send_stream(endless())
            async for _ in stream:
                stream.halt("enough")
            return stream.report

    if kind == "async":
        total = asyncio.run(run())
    else:
        with WebhookSender(config) as sender:
            stream = sender.send_stream(endless())
            for _ in stream:
                stream.halt("enough")
            total = stream.report
    assert total == 10 * len(server.arrived)
    assert 10 <= total < 300, "what is read ahead is bounded"
    assert {str(r.reason.text) for r in total.deferred if r.reason} <= {"not sent: enough"}
