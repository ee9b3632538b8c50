"""DatadogLogs is as strict as Datadog's reference of its log intake."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest

from support.strict import fields, request, said
from vaulytica.receiving.destinations.datadog_logs import DatadogLogs
from vaulytica.receiving.destinations.strict import What

PATH = "/api/v2/logs"


def post(datadog, data, path=PATH, **headers):
    headers = {"Content_Type": "application/json", "DD_API_KEY": "k", **headers}
    return said(datadog, request("POST", path, data, **headers))


def logs(*messages):
    return json.dumps([{"message": message} for message in messages]).encode()


def refused(answer):
    """The status of a refusal; its body is in the shape of the OpenAPI description."""
    status, body = answer
    (error,) = body["errors"]
    assert set(error) == {"status", "title", "detail"}
    assert error["status"] == str(status)
    return status


def test_entries_are_taken():
    datadog = DatadogLogs(token="k")
    assert post(datadog, logs("a", "b")) == (202, {})
    assert post(datadog, b' {"message":"c","service":"s","n":{"x":1}} ') == (202, {})
    assert post(datadog, b"[ ]") == (202, {})
    assert [entry["message"] for entry in datadog.events] == ["a", "b", "c"]


def test_keys():
    datadog = DatadogLogs(token="k")
    plain = {"Content_Type": "application/json"}
    assert refused(said(datadog, request("POST", PATH, logs("a"), **plain))) == 401
    assert refused(post(datadog, logs("a"), DD_API_KEY="kk")) == 403
    assert said(datadog, request("POST", f"{PATH}?dd-api-key=k", logs("a"), **plain))[0] == 202
    assert len(datadog.events) == 1


@pytest.mark.parametrize(
    ("method", "path"), [("GET", PATH), ("POST", "/api/v1/logs"), ("POST", "/")]
)
def test_other_paths_and_methods(method, path):
    assert refused(said(DatadogLogs(), request(method, path, DD_API_KEY="k"))) in (404, 405)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[",
        b"7",
        b"[7]",
        b'[{"message":"a"}',
        b'[{"message":"a"},]',
        b'[{"message":"a"}{"message":"b"}]',
        b'[{"message":"a"}] x',
        b'{"message":"a"}{"message":"b"}',
        b'[{"message":"a"},{}]',
        b'[{"message":"a"},{"message":7}]',
        b'[{"message":"a","ddtags":["x"]}]',
        b'[{"message":"a","n":NaN}]',
        b'[{"message":"\xff"}]',
        b"[" * 100_000,
        logs(*"a" * 1001),
    ],
)
def test_a_bad_payload_takes_nothing_of_the_request(data):
    datadog = DatadogLogs()
    assert refused(post(datadog, data)) == 400
    assert not datadog.events


def test_sizes_count_uncompressed():
    datadog = DatadogLogs()
    assert post(datadog, logs(*"a" * 1000))[0] == 202
    just = logs(*["x" * 990_000] * 5)
    most = just + b" " * (5_000_000 - len(just))
    assert post(datadog, most)[0] == 202
    assert refused(post(datadog, most + b" ")) == 413
    assert refused(post(datadog, gzip.compress(most + b" "), Content_Encoding="gzip")) == 413


def test_a_long_entry_is_cut_and_nothing_is_said_of_it():
    datadog = DatadogLogs()
    fits = "é" * (500_000 - len('{"message": ""}') // 2 - 1)
    entry = json.dumps({"message": fits}, ensure_ascii=False).encode()
    assert len(entry) in (999_999, 1_000_000)
    longer = "x" * 1_000_000
    assert post(datadog, b"[%s,%s]" % (entry, logs(longer)[1:-1])) == (202, {})
    assert [len(entry["message"]) for entry in datadog.events] == [len(fits), 1_000_000 - 15]
    assert [entry["message"] for entry in datadog.cut] == [longer]
    assert datadog.counts == {What.TAKEN: 2, What.CUT: 1}


def test_codings_and_media_types():
    datadog = DatadogLogs()
    data = logs("a")
    assert post(datadog, gzip.compress(data), Content_Encoding="gzip")[0] == 202
    assert post(datadog, zlib.compress(data), Content_Encoding="deflate")[0] == 202
    assert post(datadog, data, Content_Encoding="identity")[0] == 202
    assert refused(post(datadog, data, Content_Encoding="zstd")) == 415
    assert refused(post(datadog, data, Content_Encoding="gzip")) == 400
    assert post(datadog, data, Content_Type="application/json; charset=utf-8")[0] == 202
    assert refused(post(datadog, data, Content_Type="text/plain")) == 415
    assert len(datadog.events) == 4


def test_faults_are_of_the_whole_request():
    datadog = DatadogLogs(
        reject=lambda entry: "poison" if entry["message"] == "bad" else None,
        defer=lambda entry, nth: entry["message"] == "later" and nth == 1,
        refuse=lambda n: {1: 408, 2: 500}.get(n),
        reset=7,
    )
    assert [refused(post(datadog, logs("a"))) for _ in range(2)] == [408, 500]
    assert refused(post(datadog, logs("a", "bad"))) == 400
    throttled = datadog.answer(
        request("POST", PATH, logs("a", "later"), Content_Type="application/json", DD_API_KEY="k")
    )
    assert (throttled.status, fields(throttled)["X-RateLimit-Reset"]) == (429, "7")
    assert not datadog.events
    assert post(datadog, logs("a", "later"))[0] == 202
    assert [entry["message"] for entry in datadog.events] == ["a", "later"]


@pytest.mark.parametrize("length", [1_000_000, 1_000_001])
def test_the_longest_entry(length):
    datadog = DatadogLogs()
    text = "x" * (length - len('{"message": ""}'))
    assert post(datadog, logs(text)) == (202, {})
    assert len(datadog.cut) == (length > 1_000_000)


@pytest.mark.parametrize(("status", "later"), [(408, True), (429, True), (503, True), (403, False)])
def test_what_is_put_off_is_not_noted_as_refused(status, later):
    datadog = DatadogLogs(refuse=lambda n: status)
    assert refused(post(datadog, logs("a"))) == status
    assert datadog.counts == {What.DEFERRED if later else What.REFUSED: 1}


def test_unknown_paths_are_not_found():
    assert refused(post(DatadogLogs(), logs("a"), "/api/v2/log")) == 404
