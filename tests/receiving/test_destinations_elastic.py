"""Elastic is as strict as Elasticsearch's and OpenSearch's bulk API."""

from __future__ import annotations

import base64
import gzip
import json

import pytest

from support.strict import fields, request, said
from vaulytica.receiving.destinations.elastic import Elastic
from vaulytica.receiving.destinations.strict import What

STREAM = "logs-app-default"


def bulk(*pairs):
    return b"".join(json.dumps(line).encode() + b"\n" for pair in pairs for line in pair)


def create(id, document, index="events"):
    return {"create": {"_index": index, "_id": id}}, document


def post(elastic, data, path="/_bulk", **headers):
    headers = {"Content_Type": "application/x-ndjson", **headers}
    return said(elastic, request("POST", path, data, **headers))


def results(elastic, *pairs, path="/_bulk"):
    """Status and type of error of each item."""
    status, answer = post(elastic, bulk(*pairs), path)
    assert status == 200
    items = [item for entry in answer["items"] for item in entry.values()]
    assert answer["errors"] is any("error" in item for item in items)
    return [(item["status"], item.get("error", {}).get("type")) for item in items]


def whole(elastic, data, **more):
    """Status and type of the error of a request that is refused as a whole."""
    status, answer = post(elastic, data, **more)
    assert answer["status"] == status
    return status, answer["error"]["type"]


def test_documents_are_taken_each_under_its_id():
    elastic = Elastic()
    status, answer = post(elastic, bulk(create("1", {"a": 1}), create("2", {"a": 2})))
    assert (status, answer["errors"]) == (200, False)
    assert [item["create"]["_id"] for item in answer["items"]] == ["1", "2"]
    assert {item["create"]["status"] for item in answer["items"]} == {201}
    assert list(elastic.events) == [
        {"_index": "events", "_id": "1", "_source": {"a": 1}},
        {"_index": "events", "_id": "2", "_source": {"a": 2}},
    ]


def test_an_id_that_is_there_is_a_conflict_and_stays_as_it_was():
    elastic = Elastic()
    conflict = (409, "version_conflict_engine_exception")
    assert results(elastic, create("1", {"a": 1}), create("1", {"a": 2})) == [(201, None), conflict]
    assert results(elastic, create("1", {"a": 3}), create("1", {"a": 3}, "others")) == [
        conflict,
        (201, None),
    ]
    assert [hit["_source"]["a"] for hit in elastic.events] == [1, 3]
    assert elastic.counts == {What.TAKEN: 2, What.KNOWN: 2}


def test_index_replaces_and_may_go_without_an_id():
    elastic = Elastic()
    pairs = [({"index": {"_id": "1"}}, {"a": 1})] * 2 + [({"create": {}}, {"a": 1})] * 2
    assert [status for status, _ in results(elastic, *pairs, path="/events/_bulk")] == [
        201,
        200,
        201,
        201,
    ]
    assert elastic.duplicates == 1
    assert len({hit["_id"] for hit in elastic.events}) == 3


@pytest.mark.parametrize(
    ("data", "type"),
    [
        (b"", "parse_exception"),
        (b"\n\n", "action_request_validation_exception"),
        (b'{"create":{}}\n', "action_request_validation_exception"),
        (b'{"create":{}}\n{"a":1}\n', "action_request_validation_exception"),
        (b'{"create":{"_index":"x"}}\n{"a":1}', "illegal_argument_exception"),
        (b'{"create":{"_index":"x"}\n{"a":1}\n', "x_content_parse_exception"),
        (b'{"create":{"_index":"x","_index":"y"}}\n{"a":1}\n', "x_content_parse_exception"),
        (b'{"create":{"_index":"\xff"}}\n{"a":1}\n', "x_content_parse_exception"),
        (b'["create"]\n{"a":1}\n', "illegal_argument_exception"),
        (b'{}\n{"a":1}\n', "illegal_argument_exception"),
        (b'{"put":{"_index":"x"}}\n{"a":1}\n', "illegal_argument_exception"),
        (b'{"create":{"_index":"x"},"index":{}}\n{"a":1}\n', "illegal_argument_exception"),
        (b'{"create":"x"}\n{"a":1}\n', "illegal_argument_exception"),
        (b'{"create":{"_index":["x"]}}\n{"a":1}\n', "illegal_argument_exception"),
        (b'{"create":{"_index":"x","_type":"_doc"}}\n{"a":1}\n', "illegal_argument_exception"),
        (b'{"create":{"_index":"x","_id":""}}\n{"a":1}\n', "action_request_validation_exception"),
        (
            b'{"create":{"_index":"x","_id":"%s"}}\n{"a":1}\n' % (b"i" * 513),
            "action_request_validation_exception",
        ),
    ],
)
def test_a_malformed_body_takes_nothing_of_the_request(data, type):
    elastic = Elastic()
    assert whole(elastic, data) == (400, type)
    assert not elastic.events


def test_one_malformed_line_spoils_the_whole_request():
    elastic = Elastic()
    good = bulk(create("1", {}))
    assert whole(elastic, good + b'{"put":{}}\n{}\n' + good) == (400, "illegal_argument_exception")
    assert whole(elastic, good + good[:-1]) == (400, "illegal_argument_exception")
    assert not elastic.events
    assert len(post(elastic, good + b'{"create":{}}\n')[1]["items"]) == 1, "no document, no item"


@pytest.mark.parametrize(
    "document",
    [b"", b"7", b"[]", b'{"a":', b'{"a":1,"a":2}', b'{"a":NaN}', b'{"a":"\xff"}', b'{"":1}'],
)
def test_a_malformed_document_is_refused_alone(document):
    elastic = Elastic()
    good = bulk(create("1", {"a": 1}))
    action = b'{"create":{"_index":"events","_id":"2"}}\n'
    status, answer = post(elastic, good + action + document + b"\n" + good.replace(b"1", b"3"))
    assert status == 200
    assert [item["create"]["status"] for item in answer["items"]] == [201, 400, 201]
    assert answer["items"][1]["create"]["error"]["type"] == "document_parsing_exception"
    assert [hit["_id"] for hit in elastic.events] == ["1", "3"]


@pytest.mark.parametrize(
    "index",
    ["Events", "a b", "a*", "a,b", "a#b", "a:b", "_a", "-a", "+a", "..", "a/b", "a" * 256, ""],
)
def test_names_of_indexes(index):
    refused = (400, "invalid_index_name_exception")
    assert results(Elastic(), create("1", {}, index), create("1", {})) == [refused, (201, None)]


def test_the_longest_names_and_ids():
    assert results(Elastic(), create("i" * 512, {}, "a" * 255)) == [(201, None)]


def test_what_is_no_writing_is_refused_alone():
    elastic = Elastic()
    deleted = b'{"delete":{"_index":"events","_id":"1"}}\n'
    status, answer = post(
        elastic, deleted + bulk(create("1", {}), ({"update": {"_index": "x"}}, {}))
    )
    assert status == 200
    assert [next(iter(item)) for item in answer["items"]] == ["delete", "create", "update"]
    assert [item.popitem()[1]["status"] for item in answer["items"]] == [400, 201, 400]


def test_a_conflict_says_which_field_and_type():
    def reason(first, second):
        answer = post(Elastic(), bulk(create("1", first), create("2", second)))[1]
        return answer["items"][1]["create"]["error"]["reason"]

    assert "object mapping for [a] tried to parse field [a] as object" in reason(
        {"a": {"b": 1}}, {"a": "x"}
    )
    assert "failed to parse field [a.b] of type [long]" in reason({"a.b": 1}, {"a": {"b": "x"}})
    assert "failed to parse field [a] of type [text]" in reason({"a": "x"}, {"a": {"b": 1}})


def test_a_data_stream_takes_only_create_and_needs_a_timestamp():
    elastic = Elastic()
    timed = {"@timestamp": "2025-10-29T12:00:00Z"}
    assert results(
        elastic,
        create("1", timed, STREAM),
        create("2", {"a": 1}, STREAM),
        ({"index": {"_index": STREAM}}, timed),
    ) == [(201, None), (400, "document_parsing_exception"), (400, "illegal_argument_exception")]
    assert [hit["_id"] for hit in elastic.events] == ["1"]
    assert results(Elastic(data_streams=()), create("2", {"a": 1}, STREAM)) == [(201, None)]


@pytest.mark.parametrize(
    ("first", "second", "fits"),
    [
        ({"a": "x"}, {"a": 1}, True),
        ({"a": "x"}, {"a": [True, None, "y"]}, True),
        ({"a": None}, {"a": {"b": 1}}, True),
        ({"a": []}, {"a": {"b": 1}}, True),
        ({"a": 1}, {"a": "17"}, True),
        ({"a": 1}, {"a": 1.5}, True),
        ({"a": True}, {"a": "false"}, True),
        ({"a": {"b": 1}}, {"a.b": 2}, True),
        ({"a": "x"}, {"a": {"b": 1}}, False),
        ({"a": {"b": 1}}, {"a": "x"}, False),
        ({"a.b": 1}, {"a": "x"}, False),
        ({"a": {"b": 1}}, {"a.b": "x"}, False),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}, {"b": "x"}]}, False),
        ({"a": 1}, {"a": "x"}, False),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1.5}, {"a": "x"}, False),
        ({"a": True}, {"a": 1}, False),
        ({"a": True}, {"a": "yes"}, False),
        ({"a": 1}, {"a": 2**63 - 1}, True),
        ({"a": 1}, {"a": 2**63}, False),
        ({"a": 1}, {"a": -(2**63)}, True),
        ({"a": 1}, {"a": -(2**63) - 1}, False),
    ],
)
def test_the_first_value_of_a_field_decides_its_type(first, second, fits):
    outcome = (201, None) if fits else (400, "document_parsing_exception")
    elastic = Elastic()
    assert results(elastic, create("1", first), create("2", second)) == [(201, None), outcome]


def test_each_index_has_types_of_its_own():
    elastic = Elastic()
    assert results(elastic, create("1", {"a": 1}), create("1", {"a": "x"}, "others")) == [
        (201, None),
        (201, None),
    ]


def test_a_document_that_does_not_fit_teaches_nothing():
    elastic = Elastic()
    refused = (400, "document_parsing_exception")
    assert results(elastic, create("1", {"a": 1}), create("2", {"new": "x", "a": "x"})) == [
        (201, None),
        refused,
    ]
    assert results(elastic, create("3", {"new": {"b": 1}})) == [(201, None)]


def test_depth_is_bounded():
    def nested(depth):
        return {"a": nested(depth - 1)} if depth else 1

    assert results(Elastic(), create("1", nested(20)), create("1", nested(21), "others")) == [
        (201, None),
        (400, "document_parsing_exception"),
    ]


def test_the_failure_store_makes_a_refusal_a_success():
    elastic = Elastic(failure_store=True)
    status, answer = post(
        elastic, bulk(create("1", {"a": 1}, STREAM), create("2", {"@timestamp": 1}, STREAM))
    )
    first, second = (item["create"] for item in answer["items"])
    assert (status, answer["errors"]) == (200, False)
    assert (first["status"], first["failure_store"]) == (201, "used")
    assert (second["status"], second.get("failure_store")) == (201, None)
    assert list(elastic.aside) == [{"a": 1}]
    assert [hit["_id"] for hit in elastic.events] == ["2"]
    assert results(elastic, create("1", {"a": 1}), create("2", {"a": {}}))[1][0] == 400


def test_filter_path():
    elastic = Elastic()
    wanted = "errors,items.*.status,items.*.error.type,items.*.failure_store"
    data = bulk(create("1", {"a": 1}), create("1", {"a": 1}))
    assert post(elastic, data, f"/_bulk?filter_path={wanted}") == (
        200,
        {
            "errors": True,
            "items": [
                {"create": {"status": 201}},
                {"create": {"status": 409, "error": {"type": "version_conflict_engine_exception"}}},
            ],
        },
    )
    only = post(elastic, data.replace(b"1", b"2"), "/_bulk?filter_path=items.*.error")[1]
    assert len(only["items"]) == 1, "what is empty goes away, so that the count no longer matches"
    assert whole(elastic, b"x", path="/_bulk?filter_path=errors")[0] == 400, (
        "errors are not filtered"
    )


@pytest.mark.parametrize(
    ("media_type", "status"),
    [
        ("application/x-ndjson", 200),
        ("application/json", 200),
        ("application/json; charset=UTF-8", 200),
        ("application/vnd.elasticsearch+x-ndjson;compatible-with=8", 406),
        ("text/plain", 406),
        ("application/x-www-form-urlencoded", 406),
        (None, 406),
    ],
)
def test_media_types(media_type, status):
    headers = {} if media_type is None else {"Content_Type": media_type}
    elastic = Elastic()
    answered, answer = said(elastic, request("POST", "/_bulk", bulk(create("1", {})), **headers))
    assert answered == status
    assert len(elastic.events) == (status == 200)
    assert status == 200 or answer["error"].startswith("Content-Type header ")


def test_compression():
    elastic = Elastic(max_bytes=1000)
    data = bulk(create("1", {}))
    assert post(elastic, gzip.compress(data), Content_Encoding="gzip")[0] == 200
    assert len(elastic.events) == 1
    assert post(elastic, gzip.compress(data)[:-3], Content_Encoding="gzip")[0] == 400
    assert post(elastic, b"\x28\xb5\x2f\xfd" + data, Content_Encoding="zstd")[0] == 400
    for sent, coding in ((b"\n" * 1001, ""), (gzip.compress(b"\n" * 1001), "gzip")):
        assert post(elastic, sent, Content_Encoding=coding) == (413, b"")


def test_credentials():
    basic = base64.b64encode(b"elastic:k").decode()
    data = bulk(create("1", {}))
    for given in ("ApiKey k", "Bearer k", f"Basic {basic}"):
        assert post(Elastic(token="k"), data, Authorization=given)[0] == 200
    for given in ("ApiKey x", "Splunk k", "k", "ApiKey ", "Basic k", "Basic "):
        assert whole(Elastic(token="k"), data, Authorization=given) == (401, "security_exception")
    elastic = Elastic(security=True)
    assert whole(elastic, data) == (401, "security_exception")
    answer = elastic.answer(request("POST", "/_bulk", data))
    assert [name for name, _ in answer.headers].count("WWW-Authenticate") == 3
    assert not elastic.events
    assert post(elastic, data, Authorization="ApiKey anything")[0] == 200


def test_paths_and_methods():
    elastic = Elastic()
    assert said(elastic, request("GET", "/"))[1]["version"]["number"]
    data = bulk(({"create": {"_id": "1"}}, {}))
    headers = {"Content_Type": "application/json"}
    assert said(elastic, request("PUT", "/events/_bulk", data, **headers))[0] == 200
    assert said(elastic, request("GET", "/_bulk", data, **headers))[0] == 405
    assert said(elastic, request("POST", "/a/b/_bulk", data, **headers))[0] == 400
    assert said(elastic, request("POST", "/_bulks", data, **headers))[0] == 400
    assert [hit["_index"] for hit in elastic.events] == ["events"]


def test_one_document():
    elastic = Elastic()
    status, answer = post(elastic, b'{"a":1}', "/events/_doc", Content_Type="application/json")
    assert (status, answer["result"]) == (201, "created")
    assert [hit["_source"] for hit in elastic.events] == [{"a": 1}]
    assert whole(elastic, b'{"a":"x"}', path="/events/_doc") == (400, "document_parsing_exception")
    assert whole(elastic, b"{}", path="/_doc") == (400, "invalid_index_name_exception")


def test_faults():
    elastic = Elastic(
        reject=lambda document: "poison" if document["n"] == 1 else None,
        defer=lambda document, nth: document["n"] == 2 and nth == 1,
        refuse=lambda n: {1: 503, 2: 429}.get(n),
    )
    pairs = [create(str(n), {"n": n}) for n in range(4)]
    assert whole(elastic, bulk(*pairs)) == (503, "cluster_block_exception")
    assert whole(elastic, bulk(*pairs)) == (429, "es_rejected_execution_exception")
    assert not elastic.events
    assert elastic.counts == {What.DEFERRED: 2}
    assert [status for status, _ in results(elastic, *pairs)] == [201, 400, 429, 201]
    assert [status for status, _ in results(elastic, *pairs)] == [409, 400, 201, 409]
    assert [hit["_id"] for hit in elastic.events] == ["0", "3", "2"]


def test_the_headers_of_an_answer():
    answer = Elastic().answer(request("GET", "/"))
    assert fields(answer) == {"Content-Type": "application/json"}
