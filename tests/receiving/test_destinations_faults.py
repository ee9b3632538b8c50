"""What all strict destinations have: lost and mangled answers, bounded records, sockets."""

from __future__ import annotations

import http.client
import json
import threading
from contextlib import suppress

import pytest

from support.strict import request, said
from vaulytica.receiving.destinations import DESTINATIONS, faults
from vaulytica.receiving.destinations.datadog_logs import DatadogLogs
from vaulytica.receiving.destinations.elastic import Elastic
from vaulytica.receiving.destinations.splunk_hec import SplunkHec
from vaulytica.receiving.destinations.strict import Note, What
from vaulytica.receiving.receiver import Lost, Receiver


def hec(*names):
    data = "".join(json.dumps({"event": name}) for name in names).encode()
    return request("POST", "/services/collector", data, Authorization="Splunk t")


def datadog(*names):
    data = json.dumps([{"message": name} for name in names]).encode()
    headers = {"Content_Type": "application/json", "DD_API_KEY": "k"}
    return request("POST", "/api/v2/logs", data, **headers)


def elastic(*names):
    data = "".join(json.dumps({"create": {"_id": name}}) + "\n{}\n" for name in names).encode()
    return request("POST", "/events/_bulk", data, Content_Type="application/x-ndjson")


ALL = [(SplunkHec, hec), (Elastic, elastic), (DatadogLogs, datadog)]


def test_the_table_has_all_of_them():
    loaded = {DESTINATIONS.load(name) for name in DESTINATIONS.entries}
    assert loaded == {destination for destination, _ in ALL}


@pytest.mark.parametrize(("destination", "sent"), ALL)
def test_an_answer_is_lost_after_the_events_were_taken(destination, sent):
    receiver = destination(lose=lambda n: n == 1)
    with pytest.raises(Lost):
        receiver.answer(sent("a", "b"))
    assert len(receiver.events) == len(receiver.untold) == 2
    assert receiver.answer(sent("c")).status in (200, 202)
    assert len(receiver.untold) == 2
    receiver.answer(sent("a"))
    assert receiver.duplicates == (destination is not Elastic), "only ids make it once"
    assert receiver.counts[What.KNOWN] == (destination is Elastic)


@pytest.mark.parametrize(("destination", "sent"), ALL)
@pytest.mark.parametrize("fault", [faults.html, faults.half])
def test_a_mangled_answer_leaves_the_sender_untold(destination, sent, fault):
    receiver = destination(mangle=lambda n, answer: fault(answer) if n == 1 else answer)
    answer = receiver.answer(sent("a"))
    assert answer.status in (200, 202)
    with pytest.raises(ValueError):
        json.loads(answer.body)
    assert list(receiver.untold) == list(receiver.events)
    assert json.loads(receiver.answer(sent("b")).body) is not None
    assert len(receiver.untold) == 1


@pytest.mark.parametrize(("fault", "count"), [(faults.fewer_items, 1), (faults.more_items, 3)])
def test_answers_with_too_few_or_too_many_items(fault, count):
    receiver = Elastic(mangle=lambda n, answer: fault(answer))
    assert len(said(receiver, elastic("a", "b"))[1]["items"]) == count
    assert said(receiver, request("GET", "/"))[0] == 200, "what has no items stays as it is"


def test_the_answer_of_another_batch():
    previous = faults.Previous()
    receiver = Elastic(mangle=lambda n, answer: previous(answer))
    assert len(said(receiver, elastic("a", "b"))[1]["items"]) == 2
    assert not receiver.untold
    assert len(said(receiver, elastic("c"))[1]["items"]) == 2
    assert [hit["_id"] for hit in receiver.untold] == ["c"]


@pytest.mark.parametrize("lost", [1, 2])
def test_with_acknowledgement_both_answers_may_get_lost(lost):
    headers = {
        "Authorization": "Splunk t",
        "X_Splunk_Request_Channel": "0a0b0c0d-0000-4000-8000-00000000000f",
    }
    receiver = SplunkHec(ack=True, lose=lambda n: n == lost)
    untold = []
    for path, body in (("", b'{"event":"a"}'), ("/ack", b'{"acks":[0]}')):
        with suppress(Lost):
            receiver.answer(request("POST", f"/services/collector{path}", body, **headers))
        untold.append((len(receiver.untold), len(receiver.unacknowledged)))
    assert list(receiver.untold) == [{"event": "a"}]
    assert untold == ([(1, 1), (1, 0)] if lost == 1 else [(0, 1), (1, 0)])


@pytest.mark.parametrize(("destination", "sent"), ALL)
def test_what_is_kept_is_bounded_and_what_is_counted_is_not(destination, sent):
    notes: list[Note] = []
    receiver = destination(keep=2, on_note=notes.append, reject=lambda event: None)
    receiver.answer(sent(*"abcde"))
    assert len(receiver.events) == 2
    assert receiver.counts == {What.TAKEN: 5}
    assert [note.what for note in notes] == [What.TAKEN] * 5
    assert list(receiver.events) == [note.event for note in notes[-2:]]


@pytest.mark.parametrize(("destination", "sent"), ALL)
def test_a_token_does_not_show(destination, sent):
    assert "fake-secret" not in repr(destination(token="fake-secret"))


@pytest.mark.parametrize(("destination", "sent"), ALL)
def test_many_threads(destination, sent):
    receiver = destination()
    threads = [
        threading.Thread(target=lambda k=k: [receiver.answer(sent(f"{k}-{n}")) for n in range(50)])
        for k in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert receiver.requests == len(receiver.events) == 400
    assert receiver.duplicates == 0


def test_through_a_socket_a_lost_answer_is_a_dropped_connection():
    destination = SplunkHec(lose=lambda n: n == 1)
    with Receiver(respond=destination.answer) as receiver:
        for expected in (None, 200):
            connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=5)
            headers = {"Authorization": "Splunk t"}
            connection.request("POST", "/services/collector", b'{"event":"a"}', headers)
            if expected is None:
                with pytest.raises(http.client.RemoteDisconnected):
                    connection.getresponse()
            else:
                assert connection.getresponse().status == expected
            connection.close()
    assert [record.status for record in receiver.received] == [0, 200]
    assert receiver.counts == {0: 1, 200: 1}
    assert destination.duplicates == 1


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr("vaulytica.receiving.destinations.strict._REMEMBERED", 2)
    receiver = Elastic()
    receiver.answer(elastic(*"abc"))
    assert [note for name in "cba" for note in statuses(receiver, name)] == [409, 409, 201]


def statuses(receiver, *names):
    items = said(receiver, elastic(*names))[1]["items"]
    return [item["create"]["status"] for item in items]
