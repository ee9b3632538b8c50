"""Splunk HEC's indexer acknowledgement with several batches at a time, and several indexers."""

from __future__ import annotations

from typing import Any

import pytest

from support.heart import OwnClock
from support.splunk import (
    GUID,
    URL,
    Indexers,
    Together,
    a_batch,
    acks,
    asked,
    channel_of,
    made,
    sent,
    taken,
    to,
)
from vaulytica.delivery.outcome import Deferred, Delivered
from vaulytica.delivery.ports import Send, Turn
from vaulytica.delivery.request import Request, Response
from vaulytica.formats.splunk_hec import SplunkHecFormat
from vaulytica.formats.splunk_hec.channel import Channel, Ticket


def side_by_side(format: SplunkHecFormat, together: Together, count: int) -> list[Any]:
    target = to(format)
    batches = [a_batch(format, 1) for _ in range(count)]
    return together.run(*(sent(target, batch, together.clock) for batch in batches))


def test_one_poll_asks_for_all_that_wait_on_a_channel() -> None:
    format = made(channel=GUID)
    indexers = Indexers("one", after=1)
    together = Together(indexers)
    assert side_by_side(format, together, 5) == [[Delivered(200)]] * 5
    polls = [asked(request) for request in together.requests[5:]]
    assert polls == [[0, 1, 2, 3, 4]] * 2


def test_batches_before_the_first_answer_have_a_channel_each() -> None:
    """Whether there is a balancer is not known yet, and two indexers may count from the same number."""
    format = made()
    indexers = Indexers("a", "b", "c", after=1)
    together = Together(indexers)
    assert side_by_side(format, together, 6) == [[Delivered(200)]] * 6
    assert len({channel_of(request)[0] for request in together.requests[:6]}) == 6
    before = len(together.requests)
    assert side_by_side(format, together, 6) == [[Delivered(200)]] * 6
    assert len({channel_of(request) for request in together.requests[before:]}) == 1


def test_an_indexer_that_dies_acknowledges_nothing_by_its_neighbours_word() -> None:
    format = made(ack_timeout=60.0)
    indexers = Indexers("a", "b")
    together = Together(indexers)
    side_by_side(format, together, 1)  # the cookie of a is known now
    lost = {}

    def dies(request: Request) -> Response:
        if "/ack?" not in request.url and len(lost) == 3:
            indexers.names = ["b"]
        response = indexers(request)
        if "/ack?" not in request.url and len(lost) < 3:
            lost[len(lost)] = channel_of(request)
        return response

    together.answer = dies
    outcomes = side_by_side(format, together, 6)
    assert [type(outcome) for (outcome,) in outcomes] == [Deferred] * 3 + [Delivered] * 3


def test_each_indexer_is_asked_for_its_own_ids_only() -> None:
    format = made(channel=GUID)
    answers = [taken(0, "LB=a"), taken(1, "LB=b"), taken(2, "LB=a")]
    together = Together(
        lambda r: acks(_0=True, _1=True, _2=True) if "/ack?" in r.url else answers.pop(0)
    )
    assert side_by_side(format, together, 3) == [[Delivered(200)]] * 3
    polls = [(channel_of(request), asked(request)) for request in together.requests[3:]]
    assert sorted(polls, key=repr) == [
        ((GUID, "LB=a"), [0]),
        ((GUID, "LB=a"), [2]),
        ((GUID, "LB=b"), [1]),
    ]


def test_an_answer_to_a_poll_is_of_the_batches_it_asked_for() -> None:
    """Not of one that got the same id while the poll was on its way."""
    channel = Channel(GUID)
    older, newer = Ticket(0, channel, 60.0), Ticket(0, channel, 60.0)
    polled: list[Ticket] = []
    channel.add(older, 0.0, 1.0)
    assert channel.ask(older, 1.0, 60.0, polled) == 0
    channel.add(newer, 1.5, 1.0)
    channel.heed(polled.copy(), {"0": True}, "", 2.0, moved=False)
    polled.clear()
    assert not older.indexed
    assert not newer.indexed
    assert channel.ask(older, 2.0, 60.0, polled) == 0
    assert polled == []
    assert channel.ask(newer, 2.0, 60.0, []) > 0


def test_an_id_given_twice_is_the_later_ones() -> None:
    """A collector that was started anew counts from the beginning: what it has forgotten is lost."""
    format = made(channel=GUID)
    together = Together(lambda request: acks(_0=True) if "/ack?" in request.url else taken(0))
    (first,), (second,) = side_by_side(format, together, 2)
    assert isinstance(first, Deferred)
    assert "later batch" in first.reason.text
    assert second == Delivered(200)


def test_a_flow_that_is_stopped_while_it_polls_leaves_the_poll_to_others() -> None:
    format = made(channel=GUID)
    target = to(format)
    indexers = Indexers("one")
    clock = OwnClock()
    batches = [a_batch(format, 1), a_batch(format, 1)]
    flows = [sent(target, batch, clock) for batch in batches]
    turns = []
    for flow in flows:
        effect = next(flow)
        assert isinstance(effect, Send)
        add = flow.send(indexers(effect.request))
        assert isinstance(add, Turn)
        assert add.ask() == 0
        turns.append(flow.send(None))
    clock.sleep(1)
    first, second = turns
    assert isinstance(first, Turn)
    assert isinstance(second, Turn)
    assert first.ask() == 0
    assert isinstance(flows[0].send(None), Send)  # on its way
    assert second.ask() > 0
    flows[0].close()
    assert second.ask() == 0
    poll = flows[1].send(None)
    assert isinstance(poll, Send)
    assert asked(poll.request) == [1]


def test_a_poll_that_is_never_answered_does_not_keep_others_from_asking() -> None:
    format = made(channel=GUID, ack_timeout=600.0)
    target = to(format, timeout=30.0)
    indexers = Indexers("one")
    clock = OwnClock()
    batches = [a_batch(format, 1), a_batch(format, 1)]
    stuck, other = [sent(target, batch, clock) for batch in batches]
    turns: list[Any] = []
    for flow in (stuck, other):
        effect: Any = next(flow)
        add: Any = flow.send(indexers(effect.request))
        add.ask()
        turns.append(flow.send(None))
    clock.sleep(1)
    assert turns[0].ask() == 0
    stuck.send(None)
    waited = 0.0
    while (seconds := turns[1].ask()) > 0:
        waited += seconds
        clock.sleep(seconds)
    assert 59 <= waited <= 61


def test_a_forked_child_has_channels_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    format = made(channel=GUID)
    assert dict(format.address(URL, a_batch(format))[1]) == {"X-Splunk-Request-Channel": GUID}
    monkeypatch.setattr("os.getpid", lambda: -1)
    assert dict(format.address(URL, a_batch(format))[1]) != {"X-Splunk-Request-Channel": GUID}


def test_requests_that_are_never_answered_are_not_remembered_for_ever() -> None:
    format = made()
    batches = [a_batch(format, 1) for _ in range(5000)]
    for batch in batches:
        format.address(URL, batch)
    assert len(format._acks._channels._sent) == 4096  # type: ignore[union-attr]


def asked_thrice(*moved: bool) -> bool:
    """Whether a batch is indexed after answers to polls that all say so; some are of another cookie."""
    channel = Channel(GUID, "lb=a")
    ticket = Ticket(0, channel, 60.0)
    channel.add(ticket, 0.0, 1.0)
    for n, is_moved in enumerate(moved):
        # True is said once.
        channel.heed([ticket], {"0": n == 0}, "", float(n), moved=is_moved)
    return ticket.indexed


def test_what_another_indexer_says_of_an_id_is_not_of_ours() -> None:
    assert asked_thrice(False)
    assert not asked_thrice(True)
    assert not asked_thrice(True, False, True, True)


def test_a_cookie_that_changes_with_every_answer_tells_nothing() -> None:
    assert asked_thrice(True, True, True)
