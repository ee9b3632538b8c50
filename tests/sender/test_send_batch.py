"""send_batch over real sockets: how many at a time, in which order, when it stops, whose errors it raises."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.behaviours import Crowd, closed_port
from support.drivers import Sending
from support.faulty import OK, Arrived, Faulty, http, replies
from vaulytica.integrations.webhook import Deferred, Event, Rejected, Report, Result

Serve = Callable[..., Faulty]
SenderOf = Callable[..., Sending]


def entries(count: int) -> list[dict[str, Any]]:
    return [{"type": "file_shared", "data": {"n": n}, "id": f"event-{n}"} for n in range(count)]


def number(arrived: Arrived) -> int:
    return json.loads(arrived.body)["data"]["n"]


@pytest.mark.parametrize("concurrency", [1, 3, 20])
def test_as_many_requests_are_in_flight_as_asked_for(
    concurrency: int, serve: Serve, sender_of: SenderOf
) -> None:
    crowd = Crowd(concurrency)
    server = serve(crowd)
    sender = sender_of(server.url, concurrency=concurrency)
    assert sender.send_batch(entries(concurrency * 3)) == concurrency * 3
    assert crowd.most == concurrency
    assert server.connections <= concurrency


def test_eight_requests_are_in_flight_by_default(serve: Serve, sender_of: SenderOf) -> None:
    crowd = Crowd(8)
    server = serve(crowd)
    assert sender_of(server.url).send_batch(iter(entries(20))) == 20
    assert crowd.most == 8


def test_results_stand_in_the_order_of_the_events(serve: Serve, sender_of: SenderOf) -> None:
    """Whatever the order in which the answers come: here, each event's status is its own."""

    def answer(arrived: Arrived) -> bytes:
        threading.Event().wait(0.02 if number(arrived) % 3 == 0 else 0)
        return http((200, 422, 201)[number(arrived) % 3], b"no")

    server = serve(replies(answer))
    heard: list[Result] = []
    report = sender_of(server.url).send_batch(entries(12), on_result=heard.append)
    assert report == 8
    assert [result.position for result in report.results] == list(range(12))
    assert [result.event_id for result in report.results] == [f"event-{n}" for n in range(12)]
    assert [result.delivered for result in report.results] == [True, False, True] * 4
    assert [result.position for result in report.rejected] == [1, 4, 7, 10]
    assert {r.reason.status for r in report.rejected if r.reason} == {422}
    assert sorted(heard, key=lambda result: result.position) == list(report.results)
    assert sorted(map(number, server.arrived)) == list(range(12))


BAD: list[Any] = [
    None,
    17,
    "file_shared",
    ["file_shared"],
    {},
    {"type": ""},
    {"type": None, "data": {}},
    {"data": {"n": 1}},
    {"type": "t", "data": None},
    {"type": "t", "data": [1]},
    {"type": "t", "severity": "high"},
    {"type": "t", "data": {"x": float("nan")}},
    {"type": "t", "data": {"x": object()}},
    {"type": "t", "id": "a b"},
    {"type": "t", "timestamp": "yesterday"},
    {"type": "t", "colour": "red"},
    {"type": "t", "data": {"x": "y" * 2000}},
]


def test_entries_that_are_no_events_are_outcomes_and_their_neighbours_go_out(
    serve: Serve, sender_of: SenderOf
) -> None:
    server = serve(replies(OK))
    mixed = [entry for bad in BAD for entry in (bad, {"type": "fine"})]
    heard: list[Result] = []
    sender = sender_of(server.url, max_event_bytes=1000)
    report = sender.send_batch(mixed, on_result=heard.append)
    assert report == len(BAD)
    assert len(server.arrived) == len(BAD)
    assert [r.position for r in report.rejected] == list(range(0, 2 * len(BAD), 2))
    assert len(heard) == len(mixed)
    for result in report.rejected:
        assert isinstance(result.outcome, Rejected)
        assert result.outcome.reason.kind == "event"
        assert result.outcome.reason.text.isprintable()
        assert result.attempts == 0


@pytest.mark.parametrize("nothing", [[], (), iter(())])
def test_no_events_are_no_requests(nothing: Any, serve: Serve, sender_of: SenderOf) -> None:
    server = serve(replies(OK))
    report = sender_of(server.url).send_batch(nothing)
    assert (report, report.results, server.connections) == (0, (), 0)


def test_events_and_mappings_of_any_kind_are_taken(serve: Serve, sender_of: SenderOf) -> None:
    from types import MappingProxyType

    server = serve(replies(OK))
    events = [Event.create("one", {}), MappingProxyType({"type": "two"}), {"type": "three"}]
    assert sender_of(server.url).send_batch(events) == 3
    kinds = {json.loads(body)["event_type"] for body in server.bodies}
    assert kinds == {"one", "two", "three"}


def test_a_generator_is_read_no_faster_than_requests_are_made(
    serve: Serve, sender_of: SenderOf
) -> None:
    server = serve(replies(OK))
    settled, ahead = [0], []

    def endless_looking() -> Iterator[dict[str, Any]]:
        for n in range(60):
            ahead.append(n - settled[0])
            yield {"type": "file_shared", "data": {"n": n}}

    def count(result: Result) -> None:
        settled[0] += 1

    sender = sender_of(server.url, concurrency=4)
    assert sender.send_batch(endless_looking(), on_result=count) == 60
    assert max(ahead) <= 4


DOWN: dict[str, tuple[bytes | None, int]] = {
    # the answer (None: nobody listens), and how many events may be tried before all stop
    "401": (http(401, b"who?"), 1),
    "403": (http(403, b"no"), 3),
    "410": (http(410, b"gone"), 1),
    "404": (http(404, b"not here"), 3),
    "308": (http(308, headers=[("Location", "https://elsewhere.example/")]), 3),
    "503": (http(503, b"down"), 3),
    "closed port": (None, 3),
}


@pytest.mark.parametrize("name", DOWN)
def test_a_destination_that_is_down_is_not_tried_for_every_event(
    name: str, serve: Serve, sender_of: SenderOf
) -> None:
    answer, tried = DOWN[name]
    width = 4
    server = serve(replies(answer or OK))
    with closed_port() as port:
        url = server.url if answer else f"http://127.0.0.1:{port}/hook"
        report = sender_of(url, retries=0, concurrency=width).send_batch(entries(200))
    assert report == 0
    assert len(report.results) == 200
    most = tried + width - 1  # those in flight when it was noticed
    assert len(server.arrived) <= most
    rest = [result for result in report.results if result.attempts == 0]
    assert len(rest) >= 200 - most
    for result in rest:
        assert isinstance(result.outcome, Deferred), "they may be sent again later"
        assert result.outcome.reason.kind == "not_sent"
        assert result.outcome.reason.text.startswith("not sent: the destination is down: ")


def test_a_destination_that_refuses_some_events_is_not_down(
    serve: Serve, sender_of: SenderOf
) -> None:
    def answer(arrived: Arrived) -> bytes:
        return OK if number(arrived) % 5 == 0 else http(422, b"cannot read this one")

    server = serve(replies(answer))
    report = sender_of(server.url).send_batch(entries(40))
    assert (report, len(report.rejected), len(server.arrived)) == (8, 32, 40)


class Mine(Exception):
    """An error of the caller's own."""


class Halt(BaseException):
    """The same, but no Exception, as SystemExit is none."""


def failing_events(after: int, error: BaseException) -> Iterator[dict[str, Any]]:
    yield from entries(after)
    raise error


@pytest.mark.parametrize("after", [0, 1, 30])
@pytest.mark.parametrize("kind", [Mine, Halt])
def test_an_error_in_the_callers_iterator_is_raised_as_it_is(
    kind: type[BaseException], after: int, serve: Serve, sender_of: SenderOf
) -> None:
    server = serve(replies(OK))
    sender, error = sender_of(server.url, concurrency=4), kind("mine")
    with pytest.raises(kind) as caught:
        sender.send_batch(failing_events(after, error))
    assert caught.value is error
    [note] = error.__notes__
    told = [int(n) for n in re.findall(r"\d+", note)]
    assert note.startswith("vaulytica: till then ")
    assert sum(told) == after, "delivered, rejected, deferred, under way, not begun"
    assert sender.send_batch(entries(3)) == 3, "the sender is as good as before"
    assert len(server.arrived) <= after + 3


@pytest.mark.parametrize("error", [Mine("mine"), Halt("halt")], ids=repr)
@pytest.mark.parametrize("where", ["delivered", "bad entry"])
def test_an_error_in_on_result_is_raised_as_it_is_and_ends_the_call(
    where: str, error: BaseException, serve: Serve, sender_of: SenderOf
) -> None:
    server = serve(replies(OK))
    sender = sender_of(server.url, concurrency=4)

    def on_result(result: Result) -> None:
        if where == "delivered" or not result.delivered:
            raise error

    with pytest.raises(type(error)) as caught:
        sender.send_batch([*entries(5), None, *entries(95)], on_result=on_result)
    assert caught.value is error
    assert len(server.arrived) < 50
    assert sender.send_batch(entries(3)) == 3


def test_the_report_is_an_int_that_can_be_kept(serve: Serve, sender_of: SenderOf) -> None:
    import pickle

    server = serve(replies(OK, http(422, b"no"), OK))
    report = sender_of(server.url, concurrency=1).send_batch(entries(3))
    assert isinstance(report, int)
    assert f"Sent {report}/3 events" == "Sent 2/3 events"
    again = pickle.loads(pickle.dumps(report))
    assert isinstance(again, Report)
    assert (again, again.results) == (report, report.results)


def test_retries_of_one_event_do_not_hold_up_the_others(serve: Serve, sender_of: SenderOf) -> None:
    server = serve(replies(lambda a: http(500) if number(a) == 0 else OK))
    sender = sender_of(server.url, concurrency=2, retries=2)
    report = sender.send_batch(entries(10))
    assert (report, len(report.deferred)) == (9, 1)
    assert report.results[0].attempts == 3
    assert [result.attempts for result in report.results[1:]] == [1] * 9
