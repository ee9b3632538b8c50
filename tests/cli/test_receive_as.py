from __future__ import annotations

import gzip
import json
import re
import signal
import urllib.error
import urllib.request

import pytest

CANARY = "canary-5f2c-secret"


@pytest.fixture
def receive(start):
    """Start `receive` on a free port; the process and its URL."""

    def run(*options):
        process = start("receive", "--listen", "127.0.0.1:0", *options)
        line = process.stderr.readline().decode()
        return process, re.search(r"http://\S+", line)[0]

    return run


def post(url, body, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        request = urllib.request.Request(url, body, headers)
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def stopped(process):
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"Traceback" not in err
    assert CANARY.encode() not in out + err
    return out.decode(), err.decode()


def test_events_are_shown_with_what_became_of_each(receive):
    process, url = receive("--as", "splunk_hec", "--token", "env:SECRET")
    url += "/services/collector"
    hec = {"Authorization": f"Splunk {CANARY}"}
    body = b'{"event":"one\\u001b"}{"event":"two"}{"event":" "}{"event":"three"}'
    status, said = post(url, gzip.compress(body), Content_Encoding="gzip", **hec)
    assert (status, json.loads(said)["invalid-event-number"]) == (400, 2)
    assert post(url, b'{"event":"one\\u001b"}', **hec)[0] == 200
    assert post(url, b'{"event":"four"}', Authorization="Splunk wrong")[0] == 403
    out, _ = stopped(process)
    assert "POST /services/collector  → 400" in out
    assert '  taken       {"event": "two"}' in out
    assert '  refused     Event field cannot be blank: a blank event {"event": " "}' in out
    assert '  taken again {"event": "one\\u001b"}' in out
    assert "  refused     Invalid token: another token\n" in out
    assert "Authorization: Splunk ***" in out
    assert "three" not in out
    assert out.endswith(
        "3 requests: 1 answered 200, 1 answered 400, 1 answered 403; "
        "events: 2 taken, 1 refused, 1 taken again\n"
    )


def test_json_lines(receive):
    process, url = receive("--as", "elastic", "--json")
    body = b'{"create":{"_index":"events","_id":"1"}}\n{"a":1}\n' * 2
    assert post(f"{url}/_bulk", body, Content_Type="application/x-ndjson")[0] == 200
    out, err = stopped(process)
    (row,) = (json.loads(line) for line in out.splitlines())
    hit = {"_index": "events", "_id": "1", "_source": {"a": 1}}
    assert [event["what"] for event in row["events"]] == ["taken", "known"]
    assert row["events"][0] == {"what": "taken", "event": hit, "why": ""}
    assert "version conflict" in row["events"][1]["why"]
    assert row["body"] == body.decode()
    assert "1 requests; events: 1 taken, 1 known" in err


def test_it_can_misbehave_as_before(receive):
    process, url = receive("--as", "datadog_logs", "--fail", "1:503")
    headers = {"Content_Type": "application/json", "DD_API_KEY": CANARY}
    assert post(f"{url}/api/v2/logs", b'[{"message":"a"}]', **headers)[0] == 503
    out, _ = stopped(process)
    assert '"message": "a"' in out
    assert out.endswith("1 requests: 1 answered 503; events: none\n")


def test_wrong_usage(vaulytica):
    unknown = vaulytica("receive", "--as", "kafka")
    assert unknown.code == 2
    assert "splunk_hec, elastic, datadog_logs" in unknown.error
    alone = vaulytica("receive", "--token", "env:SECRET")
    assert alone.code == 2
    assert "--token is for --as" in alone.error
    assert vaulytica("receive", "--as", "elastic", "--token", "plain").code == 2
