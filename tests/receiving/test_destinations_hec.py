"""SplunkHec is as strict as Splunk's own manual, and as what was measured on a real one."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest

from support.strict import GUID, fields, request, said
from vaulytica.receiving.destinations.hec_codes import CODES
from vaulytica.receiving.destinations.splunk_hec import SplunkHec
from vaulytica.receiving.destinations.strict import What

OK = {"text": "Success", "code": 0}
A, B, C = ({"event": name} for name in "abc")


def body(*events):
    return "\n".join(map(json.dumps, events)).encode()


def post(hec, data, path="/services/collector/event", **headers):
    headers = {"Authorization": "Splunk t", **headers}
    return said(hec, request("POST", path, data, **headers))


@pytest.mark.parametrize(
    "path", ["", "/event", "/event/1.0", "/raw?channel=" + GUID, "/raw/1.0?channel=" + GUID]
)
def test_events_are_taken_at_each_of_the_paths(path):
    hec = SplunkHec(token="t")
    assert post(hec, body(A), f"/services/collector{path}") == (200, OK)
    assert len(hec.events) == 1
    assert hec.counts == {What.TAKEN: 1}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/services/collector/events", 404),
        ("POST", "/services/collector/", 404),
        ("POST", "/services/collector/event/2.0", 404),
        ("POST", "/", 404),
        ("GET", "/services/collector", 405),
        ("PUT", "/services/collector/event", 405),
        ("POST", "/services/collector/health", 405),
    ],
)
def test_other_paths_and_methods(method, path, status):
    hec = SplunkHec()
    answer = said(hec, request(method, path, body(A), Authorization="Splunk t"))
    assert answer == (
        status,
        {"text": "The requested URL was not found on this server.", "code": 404},
    )
    assert not hec.events


@pytest.mark.parametrize("path", ["/services/collector/health", "/services/collector/health/1.0"])
@pytest.mark.parametrize("code", [17, 18, 19, 20, 23])
def test_health_asks_for_no_token(path, code):
    answer = said(SplunkHec(token="t", health=code), request("GET", path))
    assert answer == (CODES[code][0], {"text": CODES[code][1], "code": code})


@pytest.mark.parametrize(
    ("headers", "path", "status", "code"),
    [
        ({}, "", 401, 2),
        ({}, "?token=t", 400, 16),
        ({"Authorization": "Bearer t"}, "", 401, 3),
        ({"Authorization": "t"}, "", 401, 3),
        ({"Authorization": "Splunk "}, "", 401, 3),
        ({"Authorization": "splunk t"}, "", 401, 3),
        ({"Authorization": "Splunk tt"}, "", 403, 4),
    ],
)
def test_tokens(headers, path, status, code):
    hec = SplunkHec(token="t")
    answer = said(hec, request("POST", f"/services/collector{path}", body(A), **headers))
    assert answer == (status, {"text": CODES[code][1], "code": code})
    assert not hec.events


@pytest.mark.parametrize(
    ("bad", "code", "number"),
    [
        (b'{"event":', 6, 1),
        (b"}", 6, 1),
        (b"7", 6, 1),
        (b'"text"', 6, 1),
        (b'{"event":NaN}', 6, 1),
        (b'{"event":"\xff"}', 6, 1),
        (b'{"event":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 6, 1),
        (b'{"event":null}', 6, 1),
        (b'{"event":false}', 6, 1),
        (b'{"event":"x","host":7}', 6, 1),
        (b'{"event":"x","index":null}', 6, 1),
        (b'{"time":1}', 12, 1),
        (b"{}", 12, 1),
        (b'{"event":""}', 13, 1),
        (b'{"event":" \\n"}', 13, 1),
        (b'{"event":"x","fields":{"a":{"b":1}}}', 15, 1),
        (b'{"event":"x","fields":{"a":[{"b":1}]}}', 15, 1),
        (b'{"event":"x","fields":[]}', 15, 1),
        (b'{"event":"x","time":"yesterday"}', 15, 1),
        (b'{"event":"x","time":true}', 15, 1),
        (b'{"event":"x","time":1.7e9}', 15, 1),
        (b'{"event":"x","time":null}', 15, 1),
        (b'{"event":"x","index":"secret"}', 7, 2),
    ],
)
def test_a_bad_event_lets_those_before_it_in_and_none_after_it(bad, code, number):
    hec = SplunkHec(indexes=["main"])
    answer = post(hec, b"\n".join([body(A), bad, body(C)]))
    assert answer == (
        400,
        {"text": CODES[code][1], "code": code, "invalid-event-number": number},
    )
    assert list(hec.events) == [A]
    assert hec.counts[What.REFUSED] == 1


@pytest.mark.parametrize(
    "good",
    [
        {"event": {}},
        {"event": 0},
        {"event": "x", "time": 1761739200},
        {"event": "x", "time": 1761739200.123},
        {"event": "x", "time": "1761739200.123"},
        {"event": "x", "fields": {"a": "b", "n": 1, "tags": ["x", "y"]}},
        {"event": "x", "index": "main", "host": "h", "source": "s", "sourcetype": "st"},
    ],
)
def test_good_events(good):
    hec = SplunkHec(indexes=["main"])
    assert post(hec, body(A, good, C)) == (200, OK)
    assert list(hec.events) == [A, good, C]


@pytest.mark.parametrize("data", [b"", b" \n", b"[]", gzip.compress(b"", mtime=0)])
def test_no_data(data):
    coding = {"Content_Encoding": "gzip"} if data.startswith(b"\x1f") else {}
    assert post(SplunkHec(), data, **coding) == (400, {"text": "No data", "code": 5})


@pytest.mark.parametrize("data", [b'{"event":"a"}{"event":"b"}', b'[{"event":"a"},{"event":"b"}]'])
def test_objects_may_follow_each_other_directly_or_in_an_array(data):
    hec = SplunkHec()
    assert post(hec, data) == (200, OK)
    assert list(hec.events) == [A, B]


def test_an_unknown_key_silently_ends_the_reading():
    hec = SplunkHec()
    assert post(hec, body(A, {"event": "b", "id": 1}, C)) == (200, OK)
    assert list(hec.events) == [A]
    assert hec.counts[What.UNREAD] == 1
    assert post(hec, body({"event": "b", "id": 1})) == (400, {"text": "No data", "code": 5})


def test_fields_alone_are_no_event():
    hec = SplunkHec()
    assert post(hec, body(A, {"fields": {"a": 1}}, C)) == (200, OK)
    assert list(hec.events) == [A, C]
    assert hec.counts[What.UNREAD] == 1


def test_compression():
    hec = SplunkHec(max_bytes=1000)
    data = body(A, B)
    assert post(hec, gzip.compress(data), Content_Encoding="gzip") == (200, OK)
    assert post(hec, gzip.compress(body(A)) + gzip.compress(body(C)), Content_Encoding="gzip") == (
        200,
        OK,
    )
    taken = len(hec.events)
    for coding, sent, status in [
        ("zstd", data, 415),
        ("deflate", zlib.compress(data), 415),
        ("gzip", data, 400),
        ("gzip", gzip.compress(data, mtime=0)[:-9], 400),
        ("gzip", gzip.compress(b" " * 1001, mtime=0), 413),
        ("", b" " * 1001, 413),
    ]:
        answered, page = post(hec, sent, Content_Encoding=coding)
        assert answered == status
        assert page.startswith(b"<html>")
    assert len(hec.events) == taken == 4


def test_raw_takes_lines_with_what_the_query_says_of_them():
    hec = SplunkHec(indexes=["main"])
    path = f"/services/collector/raw?channel={GUID}&index=main&sourcetype=st"
    assert post(hec, b"one\r\n\ntwo", path) == (200, OK)
    named = {"index": "main", "sourcetype": "st"}
    assert list(hec.events) == [{"event": "one", **named}, {"event": "two", **named}]
    assert post(hec, b"x", path.replace("main", "secret"))[1]["code"] == 7
    assert post(hec, b"\n", path)[1]["code"] == 5
    assert post(hec, b"x", "/services/collector/raw")[1]["code"] == 10


@pytest.mark.parametrize("channel", ["1", GUID[:-1], GUID + "0", GUID.replace("-", "")])
def test_a_channel_is_a_guid(channel):
    hec = SplunkHec(ack=True)
    assert post(hec, body(A), X_Splunk_Request_Channel=channel)[1]["code"] == 11
    assert post(hec, body(A))[1]["code"] == 10
    assert not hec.events


def poll(hec, *ids, channel=GUID):
    path = f"/services/collector/ack?channel={channel}"
    return post(hec, json.dumps({"acks": ids}).encode(), path)


def test_ids_count_from_0_in_each_channel_and_are_true_once():
    now = [0.0]
    hec = SplunkHec(ack=True, ack_after=5, ack_polls=1, clock=lambda: now[0])
    other = GUID.replace("0", "1")
    sent = [
        post(hec, body(event), X_Splunk_Request_Channel=channel)[1]
        for event, channel in ((A, GUID), (B, GUID.upper()), (C, other))
    ]
    assert [answer["ackId"] for answer in sent] == [0, 1, 0]
    assert poll(hec, 0, 1, 9) == (200, {"acks": {"0": False, "1": False, "9": False}})
    now[0] = 5
    assert poll(hec, 0)[1] == {"acks": {"0": False}}
    assert poll(hec, 0)[1] == {"acks": {"0": True}}
    assert poll(hec, 0)[1] == {"acks": {"0": False}}, "what was told is forgotten"
    assert poll(hec, 1, channel=other)[1] == {"acks": {"1": False}}


@pytest.mark.parametrize(
    "asked", [b"", b"{}", b'{"acks":0}', b'{"acks":["0"]}', b'{"acks":[true]}']
)
def test_questions_that_are_none(asked):
    path = f"/services/collector/ack?channel={GUID}"
    assert post(SplunkHec(ack=True), asked, path)[1]["code"] == 6
    assert post(SplunkHec(), asked, path) == (400, {"text": "ACK is disabled", "code": 14})


def test_a_channel_is_full_until_it_is_asked():
    hec = SplunkHec(ack=True, max_acks=1)
    assert post(hec, body(A), X_Splunk_Request_Channel=GUID)[1]["ackId"] == 0
    assert post(hec, body(B), X_Splunk_Request_Channel=GUID)[0] == 429
    assert poll(hec, 0)[1] == {"acks": {"0": True}}
    assert post(hec, body(B), X_Splunk_Request_Channel=GUID)[1]["ackId"] == 1
    assert list(hec.events) == [A, B]


def test_what_is_received_may_never_be_indexed():
    hec = SplunkHec(ack=True, unindexed=lambda n: n == 1)
    assert post(hec, body(A), X_Splunk_Request_Channel=GUID) == (200, {**OK, "ackId": 0})
    assert poll(hec, 0)[1] == {"acks": {"0": False}}
    assert not hec.events


def test_behind_a_balancer_an_id_is_known_to_one_indexer_only():
    hec = SplunkHec(ack=True, indexers=2, move=lambda n: n == 5)
    first = request(
        "POST",
        "/services/collector",
        body(A),
        Authorization="Splunk t",
        X_Splunk_Request_Channel=GUID,
    )
    cookie = fields(hec.answer(first))["Set-Cookie"].partition(";")[0]

    def asked(**headers):
        question = request(
            "POST",
            f"/services/collector/ack?channel={GUID}",
            b'{"acks":[0]}',
            Authorization="Splunk t",
            **headers,
        )
        answer = hec.answer(question)
        return json.loads(answer.body)["acks"]["0"], fields(answer).get("Set-Cookie")

    assert asked()[0] is False, "without the cookie it went to the other one"
    assert asked(Cookie=cookie) == (True, None)
    assert hec.answer(first).status == 200
    assert asked(Cookie=cookie)[1], "the balancer sent it elsewhere, and says so"


@pytest.mark.parametrize("code", [1, 8, 9, 18, 23, 26, 27])
def test_a_request_that_is_refused_as_a_whole(code):
    hec = SplunkHec(refuse=lambda n: code if n == 1 else None)
    status, text = CODES[code]
    assert post(hec, body(A)) == (status, {"text": text, "code": code})
    assert not hec.events
    assert post(hec, body(A)) == (200, OK)


@pytest.mark.parametrize("code", [24, 25])
def test_warnings_are_said_of_what_is_taken(code):
    hec = SplunkHec(refuse=lambda n: code)
    assert post(hec, body(A)) == (200, {"text": CODES[code][1], "code": code})
    assert list(hec.events) == [A]


def test_any_other_status_is_a_page_of_html():
    hec = SplunkHec(refuse=lambda n: 502)
    status, page = post(hec, body(A))
    assert (status, page[:6]) == (502, b"<html>")
    assert not hec.events


def test_a_rejected_event_is_an_invalid_one():
    hec = SplunkHec(reject=lambda event: "poison" if event == B else None)
    assert post(hec, body(A, B, C))[1]["invalid-event-number"] == 1
    assert list(hec.events) == [A]
    assert post(hec, body(C)) == (200, OK)


def test_a_deferred_event_makes_the_server_busy_for_all():
    hec = SplunkHec(defer=lambda event, nth: event == B and nth < 3)
    for _ in range(2):
        assert post(hec, body(A, B)) == (503, {"text": "Server is busy", "code": 9})
        assert not hec.events
    assert post(hec, body(A, B)) == (200, OK)
    assert list(hec.events) == [A, B]


@pytest.mark.parametrize("rest", [b"\xff", b'{"event":"b"}\xff'])
def test_what_is_not_utf8_stops_the_reading_where_it_begins(rest):
    hec = SplunkHec()
    number = 1 + rest.count(b"event")
    assert post(hec, body(A) + rest)[1] == {
        "text": "Invalid data format",
        "code": 6,
        "invalid-event-number": number,
    }
    assert list(hec.events) == [A, B][:number]


def test_the_statuses_of_the_codes():
    statuses = {
        200: {0, 17, 24, 25},
        400: {5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 21, 22},
        401: {2, 3},
        403: {1, 4},
        429: {26, 27},
        500: {8},
        503: {9, 18, 19, 20, 23},
    }
    assert {code: status for code, (status, _) in CODES.items()} == {
        code: status for status, codes in statuses.items() for code in codes
    }


@pytest.mark.parametrize(("code", "later"), [(8, True), (9, True), (26, True), (4, False)])
def test_what_is_put_off_is_not_noted_as_refused(code, later):
    hec = SplunkHec(refuse=lambda n: code)
    post(hec, body(A))
    assert hec.counts == {What.DEFERRED if later else What.REFUSED: 1}


def test_all_is_well_and_there_is_no_balancer_unless_told():
    health = SplunkHec().answer(request("GET", "/services/collector/health"))
    assert json.loads(health.body) == {"text": "HEC is healthy", "code": 17}
    taken = SplunkHec().answer(
        request("POST", "/services/collector", body(A), Authorization="Splunk t")
    )
    assert fields(taken) == {"Content-Type": "application/json"}
